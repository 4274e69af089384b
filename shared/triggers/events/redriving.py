"""Trying again what became a dead letter."""

from dataclasses import replace

from shared.errors import Conflict
from shared.ports import TriggerStore
from shared.ports.events import DeadLetters, Undelivered
from shared.triggers.events.delivery import Deliveries, deliver, listener_of
from shared.triggers.events.records import Event
from shared.triggers.events.replays import DeadLetter, LetterStatus
from shared.triggers.records import Trigger, TriggerType


async def redrive(
    letter: DeadLetter, *, letters: DeadLetters, triggers: TriggerStore, deliveries: Deliveries
) -> DeadLetter:
    """Starts what could not be started, under the same key, so that it starts once however often it is tried.

    The event begins a new chain: one that stood at the end of a loop starts too.

    Raises:
        Conflict: it does not wait any more, there is no trigger to show it to, or it failed again; then it waits on,
            with the new reason.
        StoreUnavailable, TooManyRequests: it may be tried again later.
    """
    if letter.status is not LetterStatus.WAITING:
        raise no_longer_waiting(letter)
    trigger, document = await _trigger(triggers, letter), letter.payload["event"]
    event = Event(letter.id, letter.project_id, document["id"], letter.created_at, document)
    result = await deliver(deliveries, listener_of(trigger), event, letter.payload["replay"])
    tried = replace(letter, attempts=letter.attempts + 1, updated_at=deliveries.clock.now())
    if isinstance(result, Undelivered):
        await letters.settle(replace(tried, code=result.code, reason=result.reason))
        raise Conflict(f"The dead letter '{letter.id}' failed again: {result.reason}", reason_code=result.code)
    settled = replace(tried, status=LetterStatus.REDRIVEN, execution_id=result.execution_id)
    await letters.settle(settled)
    return settled


def no_longer_waiting(letter: DeadLetter) -> Conflict:
    """The error of whoever wants to settle a letter that is settled."""
    return Conflict(f"The dead letter '{letter.id}' does not wait any more; it is {letter.status}.")


async def _trigger(triggers: TriggerStore, letter: DeadLetter) -> Trigger:
    trigger = await triggers.get(letter.project_id, letter.trigger_id) if letter.trigger_id else None
    if trigger is None or trigger.type is not TriggerType.EVENT:
        raise Conflict(
            f"The dead letter '{letter.id}' belongs to no trigger (any more). Replay the event to another one: "
            "POST /api/events/replays."
        )
    return trigger
