"""StartQueue on AWS: the row of the execution first, which makes a repeated key start nothing twice and lets the caller
read what it started; then a message on the queue of its priority, which `dispatch` takes."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.adapters.aws.settings import AwsSettings
from shared.errors import RequestTooLarge, StoreUnavailable
from shared.executions.records import Accepted, Priority, StartRequest
from shared.ports import StartQueue

MAX_MESSAGE_BYTES = 250_000
"""A state machine takes 256 KiB of input; a request has little around it."""


class SqsStartQueue(StartQueue):
    """Durable once `submit` returns: SQS holds the message for two weeks."""

    def __init__(self, rows: StartQueue, settings: AwsSettings) -> None:
        self._rows = rows
        self._urls = {
            Priority.HIGH: settings.queue_high,
            Priority.NORMAL: settings.queue_normal,
            Priority.LOW: settings.queue_low,
        }

    async def submit(self, request: StartRequest) -> Accepted:
        """Takes the request.

        A repeated request is put on the queue again: the first one may have been lost between the row and the queue,
        and `dispatch` starts nothing twice.

        Raises:
            RequestTooLarge: the request is larger than a state machine takes.
            StoreUnavailable: the database or SQS does not answer; sending it again with its key is safe.
            IdempotencyMismatch, NotFound, QueueFull, MalformedRequest: as the rows say.
        """
        body = encode(request)
        if len(body) > MAX_MESSAGE_BYTES:
            raise RequestTooLarge(
                f"The input is {len(body)} bytes of JSON with what goes with it; at most {MAX_MESSAGE_BYTES} start a "
                "state machine on AWS. Send less, or a link to the data."
            )
        accepted = await self._rows.submit(request)
        if accepted.duplicate:
            body = encode(replace(request, execution_id=accepted.execution_id))
        try:
            send = client("sqs").send_message
            await call(send, QueueUrl=self._urls[request.priority], MessageBody=body.decode())
        except ClientError as error:
            raise StoreUnavailable(f"The queue of starts takes nothing ({code_of(error)}). Try again.") from error
        return accepted


def encode(request: StartRequest) -> bytes:
    """A request as a message."""
    return orjson.dumps({**asdict(request), "priority": int(request.priority)})


def decode(body: str) -> StartRequest:
    """A message as the request. Raises ValueError, KeyError or TypeError for what is none."""
    fields: dict[str, Any] = orjson.loads(body)
    created_at = datetime.fromisoformat(fields["created_at"])
    return StartRequest(**{**fields, "created_at": created_at, "priority": Priority(fields["priority"])})
