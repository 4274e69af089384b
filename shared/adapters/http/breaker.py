"""The circuit breaker around one exchange: asks before it, and tells what came of it.

No connection, no answer in time and 5xx count against a destination. Any other answer shows that it works, 429 too.
What never got there, because of a bad address or a bug, says nothing of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from shared.adapters.http.answer import Answer
from shared.adapters.http.client import Request
from shared.errors import CircuitOpen, DestinationRefused, DestinationTimeout, DestinationUnreachable, ResponseTooLarge
from shared.ports import Circuits

_AGAINST = (DestinationUnreachable, DestinationTimeout)
_FOR = (DestinationRefused, ResponseTooLarge)


@dataclass(slots=True)
class Outcome:
    """Where the block puts the answer."""

    answer: Answer


_NONE = Answer("", "", HTTPStatus.BAD_GATEWAY, {}, b"", 0.0)


@asynccontextmanager
async def guarded(circuits: Circuits, project_id: str, request: Request) -> AsyncIterator[Outcome]:
    """Raises CircuitOpen before the block is entered where the destination is left alone."""
    destination = destination_of(request)
    permit = await circuits.ask(project_id, destination)
    if permit.wait_seconds > 0:
        raise CircuitOpen(
            f"{destination} failed many times in a row and is left alone for {permit.wait_seconds:.0f} s more; nothing "
            "was sent. GET /api/circuits shows it.",
            host=request.url.raw_host,
            retry_after=f"{permit.wait_seconds:.0f}",
        )
    outcome, tell = Outcome(_NONE), circuits.released
    try:
        yield outcome
        tell = circuits.failed if outcome.answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else circuits.succeeded
    except _AGAINST:
        tell = circuits.failed
        raise
    except _FOR:
        tell = circuits.succeeded
        raise
    finally:
        await tell(project_id, destination, permit)


def destination_of(request: Request) -> str:
    """`host:port`."""
    host = (request.url.raw_host or "").lower().rstrip(".")
    return f"{f'[{host}]' if ':' in host else host}:{request.url.port}"
