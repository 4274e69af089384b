"""One poll of one trigger: ask the source, find what is new, start executions.

Nothing is lost and nothing starts twice, wherever a process dies:

  1. the source is asked, and what is new in its answer is found
  2. in one transaction, what has been seen and what is to be emitted (the outbox) are kept
  3. each entry of the outbox starts its execution, under an idempotency key that was kept with it
  4. the emptied outbox is kept

Before 2 nothing has happened, and the next poll finds the same again. After 2 the outbox is emptied first, whoever
comes next; an entry that was started already is found by its key. A process whose claim ran out cannot pass 2.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from functions.poll.source import ask, name_of, request_of, retry_after
from shared.clock import Clock
from shared.errors import Gone, NodeError, RequestError, WorkflowInactive
from shared.executions.start import Startable, ensure_startable, start
from shared.ports import (
    BlobStore,
    ClaimedTrigger,
    PollSources,
    StartQueue,
    TaskFailed,
    TaskRunner,
    TriggerState,
    TriggerStates,
    WorkflowReader,
)
from shared.triggers.changes import DetectionFailed, Seen, detect
from shared.triggers.dead_letters import Stage, Undelivered
from shared.triggers.polling import PollingTriggerConfig
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.starting import origin_of, startable_of
from shared.triggers.templates import filled
from shared.workflow.expressions import ExpressionError

LEASE = timedelta(minutes=2)
"""Longer than any request to a source may take."""

_MINUTE = timedelta(minutes=1)

Outcome = Literal["polled", "failed", "paused", "rate_limited", "waiting", "not_due", "lost"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deps:
    states: TriggerStates
    sources: PollSources
    workflows: WorkflowReader
    runner: TaskRunner
    blobs: BlobStore
    queue: StartQueue
    clock: Clock
    early: timedelta = timedelta()
    """How much before its time a poll may be made, where a clock of somebody else's ticks at about those times."""


class Entry(BaseModel):
    """An execution to start."""

    model_config = ConfigDict(extra="forbid")

    key: str
    input: Any


class PollingMemory(BaseModel):
    """What a polling trigger remembers."""

    model_config = ConfigDict(extra="forbid")

    watches: dict[str, Any] = {}
    """The source and the change detection that `seen` belongs to; under others, it begins anew."""
    seen: Seen = Seen()
    outbox: list[Entry] = []
    next_poll: datetime | None = None
    last_poll: datetime | None = None
    polls: int = 0
    emitted: int = 0
    refused: int = 0
    """Entries that the workflow would not take, such as items against its input_schema."""
    last_refusal: str | None = None
    failures: int = 0
    """Polls in a row that failed."""
    last_error: str | None = None
    waiting_for: str | None = None
    """Why nothing is polled or emitted at present, though the trigger is switched on."""
    paused_reason: str | None = None
    """Why the trigger switched itself off."""


async def advance(deps: Deps, claimed: ClaimedTrigger) -> Outcome:
    """Does what is due of a claimed trigger, keeps what it remembers, and gives the claim back.

    Raises:
        StoreUnavailable: call it again, when the claim has run out.
    """
    trigger = claimed.trigger
    config = PollingTriggerConfig.model_validate(trigger.config)
    memory, letters = _memory(claimed, config), list[Undelivered]()
    try:
        target = await startable_of(deps.workflows, trigger)
        ensure_startable(target)
        await _emit(deps, trigger, target, memory, letters)
        outcome = await _poll(deps, claimed, config, memory)
        if outcome == "polled":
            await _emit(deps, trigger, target, memory, letters)
    except (Gone, WorkflowInactive) as error:
        memory.waiting_for, outcome = error.message, "waiting"
        memory.next_poll = config.next_poll(deps.clock.now())
    await _give_back(deps, claimed, memory, letters)
    return outcome


def _memory(claimed: ClaimedTrigger, config: PollingTriggerConfig) -> PollingMemory:
    memory = PollingMemory.model_validate(claimed.state.document if claimed.state is not None else {})
    watches = config.model_dump(mode="json", include={"source", "detect", "items", "order"})
    if memory.watches != watches:
        memory.watches, memory.seen = watches, Seen()
    if claimed.changed:
        memory.next_poll = memory.paused_reason = None
        memory.failures = 0
    memory.waiting_for = None
    return memory


async def on_event(deps: Deps, trigger_id: str) -> Outcome:
    """What EventBridge Scheduler asks for: a poll of one trigger, unless it is not due or somebody polls it now."""
    claimed = await deps.states.claim(TriggerType.POLLING, deps.clock.now(), lease=LEASE, only=trigger_id)
    return await advance(deps, claimed[0]) if claimed else "not_due"


async def _poll(deps: Deps, claimed: ClaimedTrigger, config: PollingTriggerConfig, memory: PollingMemory) -> Outcome:
    trigger, now = claimed.trigger, deps.clock.now()
    if memory.next_poll is not None and memory.next_poll - deps.early > now:
        return "not_due"
    try:
        request = request_of(config, memory.seen)
        later = await _limited(deps, trigger, config, request)
        if later is not None:
            memory.next_poll, memory.waiting_for = later, "The rate limit of the source."
            return "rate_limited"
        memory.polls += 1
        response = await ask(deps.runner, deps.blobs, trigger, config, request=request, poll=memory.polls)
        found, seen = detect(config, memory.seen, response)
        entries = _entries(config, trigger, memory, found)
    except (TaskFailed, NodeError, DetectionFailed, ExpressionError) as error:
        return _failed(trigger, config, memory, error, deps.clock.now())
    memory.seen, memory.outbox = seen, entries
    memory.last_poll, memory.next_poll = now, config.next_poll(now)
    memory.failures, memory.last_error = 0, None
    if not await deps.states.keep(claimed, _state(memory, now), now, hold=True):
        log.warning("poll given up: another process took the trigger", extra={"trigger_id": trigger.id})
        memory.outbox = []
        return "lost"
    return "polled"


async def _limited(
    deps: Deps, trigger: Trigger, config: PollingTriggerConfig, request: dict[str, Any]
) -> datetime | None:
    if config.requests_per_minute is None:
        return None
    spacing = _MINUTE / config.requests_per_minute
    return await deps.sources.reserve(trigger.project_id, name_of(config, request), deps.clock.now(), spacing)


def _entries(config: PollingTriggerConfig, trigger: Trigger, memory: PollingMemory, found: list[Any]) -> list[Entry]:
    """One for each item, or one for all; the number of the poll makes its keys unlike any other's."""
    name, values = ("item", found) if config.emit == "per_item" else ("items", [found] if found else [])
    template = {name: f"{{% ${name} %}}"} if config.input is None else config.input
    return [
        Entry(key=f"poll:{trigger.id}:{memory.polls}:{number}", input=filled(template, {name: value}))
        for number, value in enumerate(values)
    ]


def _letter(trigger: Trigger, entry: Entry, error: RequestError) -> Undelivered:
    payload = {"input": entry.input}
    return Undelivered(entry.key, trigger.project_id, Stage.POLLING, trigger, error.code, error.message, payload)


async def _emit(
    deps: Deps, trigger: Trigger, target: Startable, memory: PollingMemory, letters: list[Undelivered]
) -> None:
    """Empties the outbox, in order; what the workflow does not take becomes `letters`.

    Raises WorkflowInactive and Gone where the workflow stopped meanwhile.
    """
    while memory.outbox:
        entry = memory.outbox[0]
        try:
            await start(target, entry.input, origin_of(trigger, entry.key), queue=deps.queue, clock=deps.clock)
            memory.emitted += 1
        except (Gone, WorkflowInactive):
            raise
        except RequestError as error:
            memory.refused, memory.last_refusal = memory.refused + 1, error.message
            letters.append(_letter(trigger, entry, error))
            log.warning("item refused", extra={"trigger_id": trigger.id, "key": entry.key, "reason": error.message})
        memory.outbox.pop(0)


def _failed(
    trigger: Trigger, config: PollingTriggerConfig, memory: PollingMemory, error: Exception, now: datetime
) -> Outcome:
    """Backs off, and after too many failures in a row switches the trigger off, with the reason."""
    memory.failures += 1
    memory.last_error = str(error)
    asked = retry_after(error, now) if isinstance(error, TaskFailed) else timedelta()
    regular = config.next_poll(now)
    memory.next_poll = max(regular or now, now + config.back_off(memory.failures), now + asked)
    extra = {"trigger_id": trigger.id, "failures": memory.failures, "reason": memory.last_error}
    if memory.failures < config.pause_after_failures:
        log.warning("poll failed", extra=extra)
        return "failed"
    memory.paused_reason = f"{memory.failures} polls in a row failed, the last one with: {memory.last_error}"
    log.error("trigger paused itself", extra=extra)
    return "paused"


async def _give_back(deps: Deps, claimed: ClaimedTrigger, memory: PollingMemory, letters: list[Undelivered]) -> None:
    now = deps.clock.now()
    due_at = now if memory.outbox and memory.next_poll is None else memory.next_poll
    due_at = due_at and due_at - deps.early
    paused = memory.paused_reason
    await deps.states.keep(claimed, _state(memory, due_at), now, undelivered=letters, paused=paused)


def _state(memory: PollingMemory, due_at: datetime | None) -> TriggerState:
    return TriggerState(memory.model_dump(mode="json"), due_at)
