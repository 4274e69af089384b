"""ApprovalStore on AWS: rows in the database, and a message in time for whoever looks after decisions."""

from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.approvals.records import Approval, Decision
from shared.errors import StoreUnavailable
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
        """As the rows do, and False where the execution has ended, of which Step Functions tells no approval. Raises
        StoreUnavailable, also where SQS takes nothing: then nothing was kept."""
        await self._rows.expire_ended(approval.execution_id)
        message = {"QueueUrl": self._queue_url, "MessageBody": LOOK_AGAIN, "DelaySeconds": LOOK_AGAIN_SECONDS}
        try:
            await call(client("sqs").send_message, **message)
        except ClientError as error:
            raise StoreUnavailable(f"The queue of housekeeping takes nothing ({code_of(error)}). Try again.") from error
        return await self._rows.decide(approval, decision)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)
