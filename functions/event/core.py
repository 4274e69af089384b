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
from shared.errors import MillraceError, StoreUnavailable, TooManyRequests
from shared.ports import StartQueue, WorkflowReader
from shared.ports.events import ClaimedEvent, EventQueue, EventTriggers, LifecycleOutbox
from shared.triggers.dead_letters import Undelivered
from shared.triggers.events.delivery import Deliveries, Targets, deliver, listener_of, undelivered
from shared.triggers.events.index import Listener, PatternIndex
from shared.triggers.events.lifecycle import event_of_change

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
    workflows: WorkflowReader
    queue: StartQueue
    lifecycle: LifecycleOutbox
    clock: Clock


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

    def listens(self, project_id: str) -> bool:
        """Whether any trigger of the project listens, as `refresh` last found them."""
        return project_id in self._indexes

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


async def relay(deps: Deps, listeners: Listeners) -> int:
    """Publishes that executions began and ended; how many did. Raises StoreUnavailable."""
    await listeners.refresh()
    return await deps.lifecycle.relay(
        lambda change: event_of_change(change, deps.clock.now()),
        lambda event: bool(listeners.of(event.project_id).wanting(event.document)),
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """How many events were claimed, and of how many a start could not be queued: they stay where they are."""

    claimed: int
    left: int


async def dispatch(deps: Deps, listeners: Listeners) -> int:
    """As `look`; how many events there were."""
    return (await look(deps, listeners)).claimed


async def look(deps: Deps, listeners: Listeners) -> Looked:
    """Shows waiting events to the triggers that want them.

    Events of which a start could not be queued stay where they are until their lease runs out.

    Raises:
        StoreUnavailable: the database cannot be reached; nothing is lost.
    """
    claimed = await deps.events.claim(deps.clock.now(), lease=LEASE, limit=BATCH)
    if not claimed:
        return Looked(0, 0)
    await listeners.refresh()
    deliveries = Deliveries(Targets(deps.workflows), deps.queue, deps.clock)
    results = await asyncio.gather(*(_seen(deliveries, listeners, each) for each in claimed))
    done = [each.event for each, result in zip(claimed, results, strict=True) if result is not None]
    undelivered = [each for result in results if result is not None for each in result]
    await deps.events.finish(done, undelivered, deps.clock.now())
    return Looked(len(claimed), len(claimed) - len(done))


async def _seen(deliveries: Deliveries, listeners: Listeners, claimed: ClaimedEvent) -> Sequence[Undelivered] | None:
    """What could not be started; None where the event has to be shown again."""
    event = claimed.event
    try:
        wanting = listeners.of(event.project_id).wanting(event.document)
        results = await asyncio.gather(*(deliver(deliveries, each, event) for each in wanting))
    except (StoreUnavailable, TooManyRequests) as error:
        log.warning("event kept for later", extra={"event_id": event.id, "reason": error.message})
        return None
    except Exception as error:
        log.exception("event failed inside the platform", extra={"event_id": event.id})
        if claimed.attempts < MAX_ATTEMPTS:
            return None
        reason = f"Millrace failed on this event {claimed.attempts} times: {type(error).__name__}."
        return [undelivered(f"event:{event.id}", event, None, code=MillraceError.code, reason=reason)]
    return [each for each in results if isinstance(each, Undelivered)]
