"""StartQueue on AWS: a message on the queue of its priority, which `dispatch` takes.

The API writes the row of the execution first, which makes a repeated key start nothing twice and lets the caller read
what it started. The webhook receiver has no use for the database: it only sends the message, and `dispatch` writes the
row. What limits may hold up is `admit`'s: requests with a ticket of flow control, and rows that have to wait.
"""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.wakes import SqsWakes
from shared.errors import IdempotencyMismatch, MalformedRequest, RequestTooLarge, StoreUnavailable
from shared.executions.records import Accepted, FlowTicket, Priority, StartRequest
from shared.ports import StartQueue
from shared.ports.ingest import IngestCache

MAX_MESSAGE_BYTES = 250_000
"""A state machine takes 256 KiB of input; a request has little around it."""


KNOWN_SECONDS = 3 * 86_400
"""How long a delivery that is repeated is answered with the first one's execution; Stripe, the most patient sender,
repeats for three days (https://docs.stripe.com/webhooks#retries). It starts nothing twice after that either."""


class SqsStartQueue(StartQueue):
    """Durable once `submit` returns: SQS holds the message for two weeks."""

    def __init__(self, rows: StartQueue, settings: AwsSettings) -> None:
        self._rows = rows
        self._settings = settings
        self._wakes = SqsWakes(settings)

    async def submit(self, request: StartRequest) -> Accepted:
        """Takes the request.

        A repeated request is put on the queue again: the first one may have been lost between the row and the queue,
        and `dispatch` starts nothing twice.

        Raises:
            RequestTooLarge: the request is larger than a state machine takes.
            StoreUnavailable: the database or SQS does not answer; sending it again with its key is safe.
            IdempotencyMismatch, NotFound, QueueFull, MalformedRequest, FlowRateLimited: as the rows say.
        """
        ensure_fits(request)
        accepted = await self._rows.submit(request)
        if request.flow is None and accepted.admitted:
            await send(replace(request, execution_id=accepted.execution_id), self._settings)
        else:
            await self._wakes.look()
        return accepted


class SqsIngest(StartQueue):
    """Takes requests without the database. The truth about a repeated key is in the database, and `dispatch` heeds it;
    the cache only lets a repeated delivery be answered with the execution that the first one started."""

    def __init__(self, cache: IngestCache, settings: AwsSettings) -> None:
        self._cache = cache
        self._settings = settings

    async def submit(self, request: StartRequest) -> Accepted:
        """Takes the request; SQS holds it for two weeks.

        Raises:
            RequestTooLarge: the request is larger than a state machine takes.
            MalformedRequest: the key holds U+0000, which the database cannot keep.
            IdempotencyMismatch: the cache knows that the key came earlier with another input.
            StoreUnavailable: SQS does not answer; sending it again with its key is safe.
        """
        ensure_fits(request)
        accepted = await self._first(request)
        try:
            await send(replace(request, execution_id=accepted.execution_id), self._settings)
        except StoreUnavailable:
            if not accepted.duplicate:
                await self._cache.forget_first(_name(request))
            raise
        return accepted

    async def _first(self, request: StartRequest) -> Accepted:
        mine, key, digest = Accepted(request.execution_id), request.idempotency_key, request.request_digest or ""
        if key is None:
            return mine
        if "\0" in key:
            raise MalformedRequest("The delivery's id holds the character U+0000, which cannot be stored. Remove it.")
        accepted, earlier = await self._cache.first(_name(request), mine, digest, KNOWN_SECONDS)
        if earlier != digest:
            raise IdempotencyMismatch(
                f"The idempotency key '{key}' came earlier with another input, and started the execution "
                f"{accepted.execution_id}. Send the same input again, or use a new key for a new execution.",
                execution_id=accepted.execution_id,
            )
        return accepted


def _name(request: StartRequest) -> str:
    return f"{request.workflow_id} {request.idempotency_key}"


def ensure_fits(request: StartRequest) -> None:
    """Raises RequestTooLarge for what no state machine takes."""
    size = len(encode(request))
    if size > MAX_MESSAGE_BYTES:
        raise RequestTooLarge(
            f"The input is {size} bytes of JSON with what goes with it; at most {MAX_MESSAGE_BYTES} start a "
            "state machine on AWS. Send less, or a link to the data."
        )


async def send(request: StartRequest, settings: AwsSettings) -> None:
    """Puts the request on the queue of its priority; with a ticket on that of `admit`, which goes by what the ticket
    says. Raises StoreUnavailable."""
    name = "wakes_queue_url" if request.flow is not None else f"queue_{request.priority.name.lower()}"
    url = getattr(settings, name)
    try:
        await call(client("sqs").send_message, QueueUrl=url, MessageBody=encode(request).decode())
    except ClientError as error:
        raise StoreUnavailable(f"The queue of starts takes nothing ({code_of(error)}). Try again.") from error


def encode(request: StartRequest) -> bytes:
    """A request as a message."""
    return orjson.dumps({**asdict(request), "priority": int(request.priority)})


def decode(body: str) -> StartRequest:
    """A message as the request. Raises ValueError, KeyError or TypeError for what is none."""
    fields: dict[str, Any] = orjson.loads(body)
    typed = {"created_at": datetime.fromisoformat(fields["created_at"]), "priority": Priority(fields["priority"])}
    flow = fields.get("flow")
    return StartRequest(**{**fields, **typed, "flow": None if flow is None else FlowTicket(**flow)})
