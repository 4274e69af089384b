"""Replays: one page of the archive at a time, so that a replay goes on where it was after a crash.

What a replay starts has a key of the event, the trigger and the replay: a page that is shown again starts nothing new.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.clock import Clock
from shared.errors import StoreUnavailable, TooManyRequests
from shared.ports import StartQueue, TriggerStore, WorkflowStore
from shared.ports.events import EventArchive, EventReplays
from shared.repeating import STEP_SECONDS, Answer, Step, at_once, done, later, without_row
from shared.triggers.dead_letters import Undelivered
from shared.triggers.events.delivery import Deliveries, Targets, deliver, listener_of
from shared.triggers.events.index import Listener
from shared.triggers.events.pattern import compile_pattern
from shared.triggers.events.records import Event
from shared.triggers.events.replays import Replay, ReplayStatus

LEASE = timedelta(seconds=30)
PAGE = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deps:
    replays: EventReplays
    archive: EventArchive
    triggers: TriggerStore
    workflows: WorkflowStore
    queue: StartQueue
    clock: Clock


async def step(deps: Deps, *, only: str | None = None) -> bool:
    """Shows one page of one replay to its triggers; False where no replay runs, or not the one of the id `only`.

    One that meets a full queue goes on when its lease has run out.

    Raises:
        StoreUnavailable: nothing is lost.
    """
    replay = await deps.replays.claim(deps.clock.now(), lease=LEASE, only=only)
    if replay is None:
        return False
    until = min(replay.ends_at, replay.created_at)  # what comes later was shown to the triggers as it came
    found = await deps.archive.between(replay.project_id, replay.starts_at, until, after=replay.cursor, limit=PAGE)
    try:
        results = await _shown(deps, replay, found)
    except TooManyRequests as error:
        log.warning("replay kept for later", extra={"replay_id": replay.id, "reason": error.message})
        return False
    except StoreUnavailable:
        raise
    except Exception:
        log.exception("replay failed inside the platform", extra={"replay_id": replay.id})
        return False
    undelivered = [each for each in results if each is not None]
    now = deps.clock.now()
    after = replace(
        replay,
        cursor=found[-1].key if found else replay.cursor,
        scanned=replay.scanned + len(found),
        delivered=replay.delivered + len(results) - len(undelivered),
    )
    if len(found) < PAGE:
        after = replace(after, status=ReplayStatus.COMPLETED, completed_at=now)
    await deps.replays.advance(after, undelivered, now)
    return True


async def go_on(deps: Deps, wanted: Step) -> Answer:
    """As many pages of one replay as fit in a step of its machine. Raises StoreUnavailable."""
    until, pages = time.monotonic() + STEP_SECONDS, 0
    while (more := time.monotonic() < until) and await step(deps, only=wanted.id):
        pages += 1
    replay = await deps.replays.get(wanted.project_id, wanted.id)
    if replay is None:
        return without_row(wanted.idle)
    if replay.status is not ReplayStatus.RUNNING:
        return done()
    return later(0 if pages else wanted.idle) if more else at_once()


async def _shown(deps: Deps, replay: Replay, events: Sequence[Event]) -> list[Undelivered | None]:
    """For each start, None, or why there was none."""
    listeners = [each for each in [await _listener(deps, replay, each) for each in replay.trigger_ids] if each]
    pattern = compile_pattern(replay.pattern) if replay.pattern is not None else None
    deliveries = Deliveries(Targets(deps.workflows), deps.queue, deps.clock)
    wanted = [
        (listener, event)
        for event in events
        if pattern is None or pattern.matches(event.document)
        for listener in listeners
        if listener.pattern.matches(event.document)
    ]
    results = await asyncio.gather(
        *(deliver(deliveries, listener, event, replay.name) for listener, event in wanted), return_exceptions=True
    )
    for result in results:
        if isinstance(result, StoreUnavailable | TooManyRequests):
            raise result
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result if isinstance(result, Undelivered) else None for result in results]


async def _listener(deps: Deps, replay: Replay, trigger_id: str) -> Listener | None:
    """None where the trigger was deleted since."""
    trigger = await deps.triggers.get(replay.project_id, trigger_id)
    return None if trigger is None else listener_of(trigger)
