"""Whether an execution ever ends: a look at it later, since nobody promises that its end is told.

Of an express one the log tells, and "Amazon CloudWatch Logs are delivered on a best-effort basis":
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html. Of a durable one EventBridge does, which delivers
events of Step Functions on that basis, too: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-states.html
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.errors import StoreUnavailable
from shared.executions.records import Watch

LATER_SECONDS = 900
"""The longest that SQS holds a message back. An express execution ends after five minutes, and what failed for want of
the database comes back within these fifteen."""
_BATCH = 10
"""Messages that SQS takes at once."""


class Watches:
    """Messages in a queue of their own, `{"watch": …}`, since they lie there for long and alarms go by that."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def later(self, watch: Watch) -> None:
        """Has it looked at in a quarter of an hour. Raises StoreUnavailable."""
        await self._send("send_message", MessageBody=_body(watch), DelaySeconds=LATER_SECONDS)

    async def spread(self, watches: Sequence[Watch], per_second: int) -> None:
        """Has so many executions a second looked at, from now on; what would be later than a quarter of an hour is
        looked at then. Raises StoreUnavailable, with some of them sent."""
        for first in range(0, len(watches), _BATCH):
            seconds = min(LATER_SECONDS, first // per_second)
            entries = [
                {"Id": str(place), "MessageBody": _body(watch), "DelaySeconds": seconds}
                for place, watch in enumerate(watches[first : first + _BATCH])
            ]
            answer = await self._send("send_message_batch", Entries=entries)
            if refused := answer.get("Failed"):
                raise StoreUnavailable(f"The queue of watches takes nothing ({refused[0]['Code']}). Try again.")

    async def _send(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return await call(getattr(client("sqs"), operation), QueueUrl=self._url, **parameters)
        except ClientError as error:
            raise StoreUnavailable(f"The queue of watches takes nothing ({code_of(error)}). Try again.") from error


def _body(watch: Watch) -> str:
    return orjson.dumps({"watch": asdict(watch)}).decode()
