"""The Lambda that takes wakes and requests with a ticket of flow control from SQS; see events/wakes.json."""

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any

from functions.admit.core import AdmitDeps, look, take
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.errors import MalformedRequest, StoreUnavailable
from shared.observability import bind


@cache
def _deps() -> AdmitDeps:
    from functions.admit.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out."""
    del context
    return run(_settled(event["Records"]))


async def _settled(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What arrived is taken in, each by itself, in the order in which it was sent; then one look serves all."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    due: list[dict[str, Any]] = []
    one_by_one = _OneByOne()

    async def work(record: dict[str, Any]) -> None:
        if await one_by_one(_one(record)):
            due.append(record)

    answer = await settle(sorted(records, key=_sent_at), work)
    if due:
        looking = asyncio.create_task(look(_deps()))
        looked = await settle(due, lambda _: looking)
        answer["batchItemFailures"] += looked["batchItemFailures"]
    return answer


class _OneByOne:
    """In the order of the calls. Once a store is away, what follows does not wait for its time-out once more."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()  # who has waited longest gets it
        self._away: StoreUnavailable | None = None

    async def __call__(self, work: Coroutine[Any, Any, bool]) -> bool:
        async with self._turn:
            if self._away is not None:
                work.close()
                raise self._away
            try:
                return await work
            except StoreUnavailable as error:
                self._away = error
                raise


def _sent_at(record: dict[str, Any]) -> int:
    """In milliseconds."""
    return int(record["attributes"]["SentTimestamp"])


async def _one(record: dict[str, Any]) -> bool:
    """Whether there is a reason to look now."""
    from shared.adapters.aws.starts import decode  # noqa: PLC0415 - as above
    from shared.adapters.aws.wakes import look_at  # noqa: PLC0415

    try:
        says_look, at = look_at(record["body"])
        request = None if says_look else decode(record["body"])
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedRequest(f"The message {record['messageId']} is no wake and no request: {error}.") from None
    if request is not None and request.flow is None:
        raise MalformedRequest(f"The request in the message {record['messageId']} has no ticket of flow control.")
    deps = _deps()
    if request is not None:
        with bind(execution_id=request.execution_id, workflow_id=request.workflow_id):
            await take(request, deps)
    elif at is not None and at > deps.clock.now():
        await deps.wakes.look(at)
        return False
    return True


preload("functions.admit.aws", "shared.adapters.aws.batches", clients=("secretsmanager", "sqs"))
