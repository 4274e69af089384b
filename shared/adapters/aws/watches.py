"""Whether an express execution ever ends: a look at it later, since nobody promises that its log arrives.

"Amazon CloudWatch Logs are delivered on a best-effort basis":
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
"""

from dataclasses import asdict

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.errors import StoreUnavailable
from shared.executions.records import Watch

LATER_SECONDS = 900
"""The longest that SQS holds a message back. An express execution ends after five minutes, and what failed for want of
the database comes back within these fifteen."""


class Watches:
    """Messages in a queue of their own, `{"watch": …}`, since they lie there for long and alarms go by that."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def later(self, watch: Watch) -> None:
        """Has it looked at in a quarter of an hour. Raises StoreUnavailable."""
        body = orjson.dumps({"watch": asdict(watch)}).decode()
        try:
            await call(client("sqs").send_message, QueueUrl=self._url, MessageBody=body, DelaySeconds=LATER_SECONDS)
        except ClientError as error:
            raise StoreUnavailable(f"The queue of watches takes nothing ({code_of(error)}). Try again.") from error
