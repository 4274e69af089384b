"""Trying again what became a dead letter."""

from dataclasses import replace
from datetime import datetime

from shared.errors import Conflict, RequestError, TooManyRequests
from shared.executions.records import Accepted
from shared.executions.start import start
from shared.ports import TriggerStore
from shared.ports.events import DeadLetters
from shared.triggers.dead_letters import DeadLetter, LetterStatus, Stage, Undelivered
from shared.triggers.events.delivery import Deliveries, deliver, listener_of
from shared.triggers.events.records import Event
from shared.triggers.records import Trigger
from shared.triggers.schedule import ScheduleTriggerConfig
from shared.triggers.starting import origin_of

_WITH_INPUT = (Stage.POLLING, Stage.WEBHOOK)


async def redrive(
    letter: DeadLetter, *, letters: DeadLetters, triggers: TriggerStore, deliveries: Deliveries
) -> DeadLetter:
    """Starts what could not be started, under the same key, so that it starts once however often it is tried.

    Trigger and workflow count as they are now. An event begins a new chain: the end of a loop starts too.

    Raises:
        Conflict: it does not wait any more, its trigger is gone, or it failed again; then it waits on, with the new
            reason.
        StoreUnavailable, TooManyRequests: it may be tried again later.
    """
    if letter.status is not LetterStatus.WAITING:
        raise no_longer_waiting(letter)
    trigger = await triggers.get(letter.project_id, letter.trigger_id) if letter.trigger_id else None
    if trigger is None or trigger.type.value != letter.stage.value:
        raise Conflict(
            f"The dead letter '{letter.id}' belongs to no trigger (any more). Events can be replayed to another one: "
            "POST /api/events/replays."
        )
    result = await _tried(letter, trigger, deliveries)
    tried = replace(letter, attempts=letter.attempts + 1, updated_at=deliveries.clock.now())
    if not isinstance(result, Accepted):
        await letters.settle(replace(tried, code=result[0], reason=result[1]))
        raise Conflict(f"The dead letter '{letter.id}' failed again: {result[1]}", reason_code=result[0])
    settled = replace(tried, status=LetterStatus.REDRIVEN, execution_id=result.execution_id)
    await letters.settle(settled)
    return settled


def no_longer_waiting(letter: DeadLetter) -> Conflict:
    """The error of whoever wants to settle a letter that is settled."""
    return Conflict(f"The dead letter '{letter.id}' does not wait any more; it is {letter.status}.")


async def _tried(letter: DeadLetter, trigger: Trigger, deliveries: Deliveries) -> Accepted | tuple[str, str]:
    """What was started, or the code and the reason of the new failure."""
    if letter.stage is Stage.EVENT:
        document = letter.payload["event"]
        event = Event(letter.id, letter.project_id, document["id"], letter.created_at, document)
        result = await deliver(deliveries, listener_of(trigger), event, letter.payload["replay"])
        return (result.code, result.reason) if isinstance(result, Undelivered) else result
    about = {name: letter.payload[name] for name in ("fire_time",) if name in letter.payload}
    origin = origin_of(trigger, letter.key, **about)
    try:
        data = letter.payload["input"] if letter.stage in _WITH_INPUT else _scheduled(trigger, about["fire_time"])
        target = await deliveries.targets.of(trigger)
        return await start(target, data, origin, queue=deliveries.queue, clock=deliveries.clock)
    except TooManyRequests:
        raise
    except RequestError as error:
        return error.code, error.message


def _scheduled(trigger: Trigger, fire_time: str) -> object:
    config = ScheduleTriggerConfig.model_validate(trigger.config)
    return config.input_of(datetime.fromisoformat(fire_time))
