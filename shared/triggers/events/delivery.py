"""From an event and a trigger to an execution: the one way, for dispatching, replays and redrives."""

import asyncio
import logging
from dataclasses import dataclass

from shared.clock import Clock
from shared.errors import LoopSuspected, RequestError, TooManyRequests
from shared.executions.records import Accepted
from shared.executions.start import Origin, Startable, start
from shared.ports import StartQueue, WorkflowReader
from shared.triggers.dead_letters import Stage, Undelivered
from shared.triggers.events.index import Listener
from shared.triggers.events.pattern import compile_pattern
from shared.triggers.events.records import MAX_DEPTH, Event
from shared.triggers.events.trigger import EventTriggerConfig, start_key
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.starting import startable_of
from shared.workflow.expressions import ExpressionError

log = logging.getLogger(__name__)


class Targets:
    """What triggers start, each workflow read once for all events of a batch."""

    def __init__(self, workflows: WorkflowReader) -> None:
        self._workflows = workflows
        self._reading: dict[str, asyncio.Task[Startable]] = {}

    async def of(self, trigger: Trigger) -> Startable:
        """The trigger's workflow. Raises Gone and StoreUnavailable."""
        if trigger.workflow_id not in self._reading:
            self._reading[trigger.workflow_id] = asyncio.create_task(startable_of(self._workflows, trigger))
        return await self._reading[trigger.workflow_id]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What a start needs."""

    targets: Targets
    queue: StartQueue
    clock: Clock


def listener_of(trigger: Trigger) -> Listener:
    """The trigger with its pattern compiled."""
    config = EventTriggerConfig.model_validate(trigger.config)
    return Listener(trigger, config, compile_pattern(config.pattern))


async def deliver(
    deliveries: Deliveries, listener: Listener, event: Event, replay: str | None = None
) -> Accepted | Undelivered:
    """Starts the execution of one event and one trigger, or finds the one that was started; else says why not.

    `replay` names the replay that shows the event again; the workflow reads it as `replay-name`, as on EventBridge.

    Raises:
        StoreUnavailable, TooManyRequests: try it again later.
    """
    trigger = listener.trigger
    key = start_key(event, trigger.id, replay)
    document = event.document if replay is None else {**event.document, "replay-name": replay}
    try:
        _ensure_no_loop(event)
        target = await deliveries.targets.of(trigger)
        data = listener.config.input_of(document)
        origin = _origin(trigger, event, key, replay)
        return await start(target, data, origin, queue=deliveries.queue, clock=deliveries.clock)
    except TooManyRequests:
        raise
    except (RequestError, ExpressionError) as error:
        code = error.code if isinstance(error, RequestError) else "event.input"
        log.warning("event started nothing", extra={"event_id": event.id, "trigger_id": trigger.id, "code": code})
        return undelivered(key, event, trigger, code=code, reason=error.message, replay=replay)


def undelivered(
    key: str, event: Event, trigger: Trigger | None, *, code: str, reason: str, replay: str | None = None
) -> Undelivered:
    """An event that started nothing."""
    payload = {"event": event.document, "depth": event.depth, "replay": replay}
    return Undelivered(key, event.project_id, Stage.EVENT, trigger, code, reason, payload)


def _ensure_no_loop(event: Event) -> None:
    if event.depth >= MAX_DEPTH:
        raise LoopSuspected(
            f"The event '{event.id}' stands at the end of {event.depth} executions that started one another by events; "
            f"at most {MAX_DEPTH} may. Make the trigger's pattern narrower, so that it does not want events of what it "
            "starts; or redrive this, which begins a new chain."
        )


def _origin(trigger: Trigger, event: Event, key: str, replay: str | None) -> Origin:
    about = {
        "type": TriggerType.EVENT.value,
        "id": trigger.id,
        "event_id": event.id,
        "source": event.document["source"],
        "detail_type": event.document["detail-type"],
        "depth": event.depth + 1,
    }
    return Origin(
        trigger=about if replay is None else about | {"replay": replay},
        correlation_id=event.id,
        trigger_id=trigger.id,
        idempotency_key=key,
        fingerprint=key.encode(),
    )
