"""What happens to an event: every trigger whose pattern matches it starts one execution.

An event is claimed, seen by all triggers, and taken from the queue. Whoever dies in between leaves it to the next one,
who finds by the idempotency keys what was started already: once for each event and trigger.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.clock import Clock
from shared.errors import MillraceError, RequestError, StoreUnavailable, TooManyRequests
from shared.executions.start import Origin, Startable, start
from shared.ports import (
    ClaimedEvent,
    EventQueue,
    EventTriggers,
    LifecycleOutbox,
    StartQueue,
    Undelivered,
    WorkflowStore,
)
from shared.triggers.events import compile_pattern
from shared.triggers.events.index import Listener, PatternIndex
from shared.triggers.events.lifecycle import event_of_change
from shared.triggers.events.records import MAX_DEPTH, Event
from shared.triggers.events.trigger import EventTriggerConfig, start_key
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.starting import startable_of
from shared.workflow.expressions import ExpressionError

LEASE = timedelta(seconds=15)
"""After so long a dispatcher that holds an event counts as dead."""

MAX_ATTEMPTS = 5
"""Dispatchers may die so often with an event; then it is a dead letter."""

BATCH = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deps:
    events: EventQueue
    triggers: EventTriggers
    workflows: WorkflowStore
    queue: StartQueue
    lifecycle: LifecycleOutbox
    clock: Clock


class LoopSuspected(RequestError):
    """Executions start one another by events, and too often in a row."""

    code = "event.loop"


class Listeners:
    """Active event triggers by project, compiled; read again when one of them changes."""

    def __init__(self, triggers: EventTriggers) -> None:
        self._triggers = triggers
        self._stamp: Any = None
        self._compiled: dict[str, Listener] = {}
        self._indexes: dict[str, PatternIndex] = {}

    def of(self, project_id: str) -> PatternIndex:
        """The project's triggers, as `refresh` last found them."""
        return self._indexes.get(project_id) or PatternIndex(())

    async def refresh(self) -> None:
        """Looks whether a trigger changed. Raises StoreUnavailable."""
        stamp = await self._triggers.stamp()
        if stamp == self._stamp:
            return
        known, self._compiled = self._compiled, {}
        projects: dict[str, list[Listener]] = defaultdict(list)
        for trigger in await self._triggers.active():
            before = known.get(trigger.id)
            listener = before if before is not None and before.trigger == trigger else listener_of(trigger)
            self._compiled[trigger.id] = listener
            projects[trigger.project_id].append(listener)
        self._indexes = {project_id: PatternIndex(each) for project_id, each in projects.items()}
        self._stamp = stamp


class Targets:
    """What triggers start, each workflow read once for all events of a batch."""

    def __init__(self, workflows: WorkflowStore) -> None:
        self._workflows = workflows
        self._reading: dict[str, asyncio.Task[Startable]] = {}

    async def of(self, trigger: Trigger) -> Startable:
        """The trigger's workflow. Raises Gone and StoreUnavailable."""
        if trigger.workflow_id not in self._reading:
            self._reading[trigger.workflow_id] = asyncio.create_task(startable_of(self._workflows, trigger))
        return await self._reading[trigger.workflow_id]


def listener_of(trigger: Trigger) -> Listener:
    """The trigger with its pattern compiled."""
    config = EventTriggerConfig.model_validate(trigger.config)
    return Listener(trigger, config, compile_pattern(config.pattern))


async def relay(deps: Deps, listeners: Listeners) -> int:
    """Publishes that executions began and ended; how many did. Raises StoreUnavailable."""
    await listeners.refresh()
    return await deps.lifecycle.relay(
        lambda change: event_of_change(change, deps.clock.now()),
        lambda event: bool(listeners.of(event.project_id).wanting(event.document)),
    )


async def dispatch(deps: Deps, listeners: Listeners) -> int:
    """Shows waiting events to the triggers that want them; how many events there were.

    Events of which a start could not be queued stay where they are until their lease runs out.

    Raises:
        StoreUnavailable: the database cannot be reached; nothing is lost.
    """
    claimed = await deps.events.claim(deps.clock.now(), lease=LEASE, limit=BATCH)
    if not claimed:
        return 0
    await listeners.refresh()
    targets = Targets(deps.workflows)
    results = await asyncio.gather(*(_seen(deps, listeners, each, targets) for each in claimed))
    done = [each.event for each, result in zip(claimed, results, strict=True) if result is not None]
    undelivered = [each for result in results if result is not None for each in result]
    await deps.events.finish(done, undelivered, deps.clock.now())
    return len(claimed)


async def _seen(
    deps: Deps, listeners: Listeners, claimed: ClaimedEvent, targets: Targets
) -> Sequence[Undelivered] | None:
    """What could not be started; None where the event has to be shown again."""
    event = claimed.event
    try:
        wanting = listeners.of(event.project_id).wanting(event.document)
        results = await asyncio.gather(*(deliver(deps, each, event, targets) for each in wanting))
    except (StoreUnavailable, TooManyRequests) as error:
        log.warning("event kept for later", extra={"event_id": event.id, "reason": error.message})
        return None
    except Exception as error:
        log.exception("event failed inside the platform", extra={"event_id": event.id})
        if claimed.attempts < MAX_ATTEMPTS:
            return None
        reason = f"Millrace failed on this event {claimed.attempts} times: {type(error).__name__}."
        return [Undelivered(f"event:{event.id}", event, None, MillraceError.code, reason)]
    return [each for each in results if each is not None]


async def deliver(
    deps: Deps, listener: Listener, event: Event, targets: Targets, replay: str | None = None
) -> Undelivered | None:
    """Starts the execution of one event and one trigger, or finds the one that was started; else why there is none.

    Raises:
        StoreUnavailable, TooManyRequests: try it again later.
    """
    trigger = listener.trigger
    key = start_key(event, trigger.id, replay)
    document = event.document if replay is None else {**event.document, "replay-name": replay}
    try:
        _ensure_no_loop(event)
        target = await targets.of(trigger)
        data = listener.config.input_of(document)
        await start(target, data, _origin(trigger, event, key, replay), queue=deps.queue, clock=deps.clock)
    except TooManyRequests:
        raise
    except (RequestError, ExpressionError) as error:
        code = error.code if isinstance(error, RequestError) else "event.input"
        log.warning("event started nothing", extra={"event_id": event.id, "trigger_id": trigger.id, "code": code})
        return Undelivered(key, event, trigger, code, error.message, replay)
    return None


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
