"""The Lambda that hears of the end of every state machine of the deployment."""

from functools import cache
from typing import Any

from functions.complete.core import CompleteDeps, complete
from shared.adapters.aws.loop import run
from shared.observability import bind


@cache
def _deps() -> CompleteDeps:
    from functions.complete.aws import from_environment  # noqa: PLC0415 - drivers are loaded with the first event

    return from_environment()


def handler(event: dict[str, Any], context: object) -> None:
    """One event of EventBridge; what is raised makes Lambda try again, then keep the event as a dead letter."""
    del context
    run(_one(event))


async def _one(event: dict[str, Any]) -> None:
    with bind(execution_id=event["detail"].get("name")):
        await complete(event, _deps())
