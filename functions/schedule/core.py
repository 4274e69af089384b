"""What happens at a fire time of a schedule, on every stage.

`fire` starts the run of one fire time. `advance` decides which fire times are due and fires them; the local scheduler
calls it. On AWS EventBridge Scheduler has decided already; arrivals.py takes what it tells.

Nothing runs twice: a claim keeps others away from the trigger, and the run's idempotency key is made of the trigger and
the fire time, so that whoever comes back to a fire time after a crash finds the run that it started.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.clock import Clock, iso
from shared.errors import Conflict, Gone, RequestError, WorkflowInactive
from shared.executions.start import start
from shared.ports import (
    ClaimedTrigger,
    ExecutionStore,
    StartQueue,
    TriggerRuns,
    TriggerState,
    TriggerStates,
    TriggerStore,
    WorkflowReader,
)
from shared.triggers.dead_letters import Stage, Undelivered
from shared.triggers.due import due_fires, due_time
from shared.triggers.records import Trigger
from shared.triggers.schedule import ScheduleTriggerConfig, next_fire
from shared.triggers.starting import origin_of, startable_of

LEASE = timedelta(seconds=30)
"""After so long a process that holds a schedule counts as dead."""

QUEUE_LOOK = timedelta(seconds=1)
"""How often a run that waits for another one asks whether that has ended."""

_TICK = timedelta(microseconds=1)
LAST = 20
"""Outcomes that a schedule remembers."""
_NOT_WANTED = (Gone.code, WorkflowInactive.code)

Outcome = Literal["started", "duplicate", "skipped", "waiting", "refused"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deps:
    triggers: TriggerStore
    states: TriggerStates
    runs: TriggerRuns
    workflows: WorkflowReader
    executions: ExecutionStore
    queue: StartQueue
    clock: Clock


class Fired(BaseModel):
    """What became of a fire time. `waiting`: by the overlap policy, until the execution before has ended."""

    model_config = ConfigDict(extra="forbid")

    fire_time: datetime
    outcome: Outcome
    execution_id: str | None = None
    reason: str | None = None
    code: str | None = None
    """Of the error, where it was refused."""


class ScheduleMemory(BaseModel):
    """What a schedule remembers: the fire time to come, those that wait by overlap `queue`, what became of the last."""

    model_config = ConfigDict(extra="forbid")

    next_fire: datetime | None = None
    queue: list[datetime] = []
    recent: list[Fired] = []
    """Newest first."""
    missed_until: datetime | None = None
    """Up to when fire times were last missed."""
    failures: int = 0
    """Fire times in a row that started nothing."""
    paused_reason: str | None = None
    """Why the trigger was switched off."""


async def fire(deps: Deps, trigger: Trigger, at: datetime) -> Fired:
    """Starts the run of the fire time `at`, as the overlap policy allows.

    Raises:
        StoreUnavailable: nothing was started; call it again with the same time.
    """
    config = ScheduleTriggerConfig.model_validate(trigger.config)
    key = key_of(trigger, at)
    if config.overlap != "allow":
        held = await _held(deps, trigger, config, at, key)
        if held is not None:
            return held
    origin = origin_of(trigger, key, fire_time=iso(at))
    try:
        data = config.input_of(at)
        target = await startable_of(deps.workflows, trigger)
        accepted = await start(target, data, origin, queue=deps.queue, clock=deps.clock)
    except RequestError as error:
        return Fired(fire_time=at, outcome="refused", reason=error.message, code=error.code)
    return Fired(
        fire_time=at, outcome="duplicate" if accepted.duplicate else "started", execution_id=accepted.execution_id
    )


async def advance(deps: Deps, claimed: ClaimedTrigger) -> list[Fired]:
    """Fires what is due of a claimed trigger, keeps what comes next, and gives the claim back."""
    trigger, now = claimed.trigger, deps.clock.now()
    config = ScheduleTriggerConfig.model_validate(trigger.config)
    memory = ScheduleMemory.model_validate(claimed.state.document if claimed.state is not None else {})
    if claimed.changed:
        memory.next_fire = next_fire(config, trigger.updated_at - _TICK)
        memory.failures, memory.paused_reason = 0, None
    done: list[Fired] = []
    if memory.next_fire is not None and memory.next_fire <= now:
        due = due_fires(config, trigger.id, memory.next_fire, now)
        if due.missed:
            memory.missed_until = now
            log.warning("fire times were missed", extra={"trigger_id": trigger.id, "policy": config.missed.policy})
        memory.queue += due.fires
        memory.next_fire = due.next
    done += await drain(deps, trigger, memory)
    done += bounded(memory, config)
    memory.recent = [*reversed(done), *memory.recent][:LAST]
    letters = undelivered(trigger, config, memory, done)
    state = TriggerState(memory.model_dump(mode="json"), _due_at(config, trigger, memory, now))
    await deps.states.keep(claimed, state, now, undelivered=letters, paused=memory.paused_reason)
    for each in done:
        log.info("fire time", extra={"trigger_id": trigger.id, **each.model_dump(mode="json")})
    return done


def undelivered(
    trigger: Trigger, config: ScheduleTriggerConfig, memory: ScheduleMemory, done: list[Fired]
) -> list[Undelivered]:
    """What becomes dead letters; counts failures in a row. Refusing is none while the workflow rests."""
    letters = []
    for each in done:
        if each.outcome == "started":
            memory.failures = 0
        if each.outcome != "refused" or each.code in _NOT_WANTED:
            continue
        memory.failures += 1
        letters.append(
            Undelivered(
                key=key_of(trigger, each.fire_time),
                project_id=trigger.project_id,
                stage=Stage.SCHEDULE,
                trigger=trigger,
                code=each.code or RequestError.code,
                reason=each.reason or "",
                payload={"fire_time": iso(each.fire_time)},
            )
        )
    if letters and memory.failures >= config.pause_after_failures:
        error = letters[-1].reason
        memory.paused_reason = f"{memory.failures} fire times in a row started nothing, the last one because: {error}"
    return letters


def key_of(trigger: Trigger, at: datetime) -> str:
    """The idempotency key of the run of a fire time."""
    return f"schedule:{trigger.id}:{iso(at)}"


async def drain(deps: Deps, trigger: Trigger, memory: ScheduleMemory) -> list[Fired]:
    """Fires what waits, in order, until one has to wait on."""
    done: list[Fired] = []
    while memory.queue:
        fired = await fire(deps, trigger, memory.queue[0])
        if fired.outcome == "waiting":
            break
        done.append(fired)
        memory.queue.pop(0)
    return done


def bounded(memory: ScheduleMemory, config: ScheduleTriggerConfig) -> list[Fired]:
    """Drops what came last where more wait than may."""
    dropped = memory.queue[config.max_queued :]
    del memory.queue[config.max_queued :]
    reason = f"{config.max_queued} runs wait already (max_queued)."
    return [Fired(fire_time=at, outcome="skipped", reason=reason) for at in dropped]


def _due_at(config: ScheduleTriggerConfig, trigger: Trigger, memory: ScheduleMemory, now: datetime) -> datetime | None:
    if memory.queue:
        return now + QUEUE_LOOK
    return None if memory.next_fire is None else due_time(config, trigger.id, memory.next_fire)


async def _held(deps: Deps, trigger: Trigger, config: ScheduleTriggerConfig, at: datetime, key: str) -> Fired | None:
    """Why the run does not start now; None where it does. A run that began before a crash is not in its own way."""
    before = await deps.runs.find(trigger.workflow_id, key)
    if before is not None:
        return Fired(fire_time=at, outcome="duplicate", execution_id=before)
    unfinished = await deps.runs.unfinished(trigger.project_id, trigger.id)
    if not unfinished:
        return None
    if config.overlap == "cancel_previous":
        try:
            for run in unfinished:
                await deps.executions.request_cancel(trigger.project_id, run.execution_id, deps.clock.now())
        except Conflict as error:  # express, on AWS
            return Fired(fire_time=at, outcome="skipped", reason=error.message)
        return None
    reason = f"The execution {unfinished[0].execution_id} that this trigger started before has not ended."
    return Fired(fire_time=at, outcome="skipped" if config.overlap == "skip" else "waiting", reason=reason)
