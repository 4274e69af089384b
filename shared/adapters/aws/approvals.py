"""ApprovalStore on AWS: rows in the database, and a message in time for whoever looks after decisions."""

from typing import Any

import orjson

from shared.adapters.aws.client import call, client
from shared.approvals.records import Approval, Decision
from shared.ports import ApprovalStore

LOOK_AGAIN = orjson.dumps({"work": "decisions"}).decode()
"""What functions/housekeeping is asked to do."""
LOOK_AGAIN_SECONDS = 60
"""After the request that decides, which API Gateway gives up after 29 s."""


class RemindedApprovals:
    """Keeps approvals as `rows` does.

    A process may end between keeping a decision and telling its execution, which would then wait for ever. Whoever
    looks after that is asked to, later, before anything is kept.
    """

    def __init__(self, rows: ApprovalStore, queue_url: str) -> None:
        self._rows = rows
        self._queue_url = queue_url

    async def decide(self, approval: Approval, decision: Decision) -> bool:
        """As the rows do. Raises StoreUnavailable, also where SQS does not answer: nothing was kept then."""
        send = client("sqs").send_message
        await call(send, QueueUrl=self._queue_url, MessageBody=LOOK_AGAIN, DelaySeconds=LOOK_AGAIN_SECONDS)
        return await self._rows.decide(approval, decision)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)
