"""Work of housekeeping that is too much for one message: it goes on with another."""

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.errors import StoreUnavailable


class SqsRounds:
    """Messages in the queue that functions/housekeeping reads."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def go_on(self, after: str, seconds: int) -> None:
        """Has executions with an id above `after` looked for, in so many seconds (at most 900). Raises
        StoreUnavailable."""
        body = orjson.dumps({"work": "ends", "after": after}).decode()
        try:
            await call(client("sqs").send_message, QueueUrl=self._url, MessageBody=body, DelaySeconds=seconds)
        except ClientError as error:
            raise StoreUnavailable(f"The queue of housekeeping takes nothing ({code_of(error)}). Try again.") from error
