"""Trying again what became a dead letter."""

from dataclasses import replace

from functions.api.deps import Deps
from shared.errors import Conflict
from shared.triggers.events.delivery import Deliveries, Targets, start_of
from shared.triggers.events.records import Event
from shared.triggers.events.replays import DeadLetter, LetterStatus
from shared.triggers.records import Trigger


async def redrive(deps: Deps, letter: DeadLetter) -> DeadLetter:
    """Starts what could not be started, under the same key, so that it starts once however often it is tried.

    Where it fails again, the letter waits on, with the new reason.

    Raises:
        Conflict: it does not wait any more, or there is no trigger to show it to.
        RequestError: why it failed again.
    """
    if letter.status is not LetterStatus.WAITING:
        raise Conflict(f"The dead letter '{letter.id}' does not wait any more; it is {letter.status}.")
    trigger, now = await _trigger(deps, letter), deps.clock.now()
    document = letter.payload["event"]
    event = Event(letter.id, letter.project_id, document["id"], letter.created_at, document)
    deliveries = Deliveries(Targets(deps.workflows), deps.queue, deps.clock)
    tried = replace(letter, attempts=letter.attempts + 1, updated_at=now)
    result = await start_of(deliveries, trigger, event, letter.payload["replay"])
    if isinstance(result, Exception):
        await deps.dead_letters.settle(replace(tried, code=result.code, reason=result.message))
        raise result
    settled = replace(tried, status=LetterStatus.REDRIVEN, execution_id=result.execution_id)
    await deps.dead_letters.settle(settled)
    return settled


async def _trigger(deps: Deps, letter: DeadLetter) -> Trigger:
    trigger = await deps.triggers.get(letter.project_id, letter.trigger_id) if letter.trigger_id else None
    if trigger is None:
        raise Conflict(
            f"The dead letter '{letter.id}' belongs to no trigger (any more). Replay the event to another one: "
            "POST /api/events/replays."
        )
    return trigger
