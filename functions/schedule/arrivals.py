"""What EventBridge Scheduler tells, and what was put off: one fire time of one trigger.

EventBridge knows neither windows nor overlaps nor what to do about times that come too late, so all of that is decided
here, by the rules of the local stage. It tells nominal times, and nobody looks by the clock:

  moved by the window   the last of the nominal times that are moved to an opening sends a message that comes then
  waits by overlap      whoever records the end of an execution has the schedule looked at that started it
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.schedule.core import (
    LAST,
    LEASE,
    Deps,
    Fired,
    ScheduleMemory,
    bounded,
    drain,
    fire,
    key_of,
    log,
    undelivered,
)
from shared.errors import StoreUnavailable
from shared.ports import ClaimedTrigger, TriggerState, Wakes
from shared.triggers.cron import wall_of
from shared.triggers.due import due_time, too_late
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.schedule import ScheduleTriggerConfig, deferred_to, next_fire

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Where fire times arrive one by one."""

    deps: Deps
    wakes: Wakes

    async def on_event(self, project_id: str, trigger_id: str, scheduled: datetime, *, put_off: bool = False) -> Fired:
        """What EventBridge Scheduler asks for; with `put_off` what this itself put off until now.

        Raises:
            StoreUnavailable: call it again with the same time; nothing starts twice.
        """
        trigger = await self._active(project_id, trigger_id)
        if trigger is None:
            return Fired(fire_time=scheduled, outcome="skipped", reason="There is no active schedule of this id.")
        config = ScheduleTriggerConfig.model_validate(trigger.config)
        if put_off and next_fire(config, scheduled - _TICK) != scheduled:
            return Fired(fire_time=scheduled, outcome="skipped", reason="The schedule was changed since.")
        moved = await self._moved(trigger, config, scheduled)
        if isinstance(moved, Fired):
            return moved
        before = await self.deps.runs.find(trigger.workflow_id, key_of(trigger, moved))
        if before is not None:
            return Fired(fire_time=moved, outcome="duplicate", execution_id=before)
        fired = await self._fired(trigger, config, moved)
        log.info("fire time", extra={"trigger_id": trigger.id, **fired.model_dump(mode="json")})
        return fired

    async def on_end(self, project_id: str, trigger_id: str) -> None:
        """An execution of the schedule has ended: the next one that waits may run.

        Raises:
            StoreUnavailable: call it again.
        """
        trigger = await self._active(project_id, trigger_id)
        if trigger is not None:
            await self._in_turn(trigger, ScheduleTriggerConfig.model_validate(trigger.config), None)

    async def _active(self, project_id: str, trigger_id: str) -> Trigger | None:
        trigger = await self.deps.triggers.get(project_id, trigger_id)
        return trigger if trigger is not None and trigger.type == TriggerType.SCHEDULE and trigger.is_active else None

    async def _moved(self, trigger: Trigger, config: ScheduleTriggerConfig, nominal: datetime) -> datetime | Fired:
        """The fire time that the window makes of a nominal one; what became of it where that is not now."""
        if config.window is None or config.window.is_open(wall_of(nominal, config.zone)):
            return nominal
        reason = "The time is outside of the execution window."
        if config.window.outside == "skip":
            return Fired(fire_time=nominal, outcome="skipped", reason=reason)
        opening = deferred_to(config, nominal)
        if opening is None:
            return Fired(fire_time=nominal, outcome="skipped", reason=f"{reason} A later time stands for it, or none.")
        due = due_time(config, trigger.id, opening)
        if due <= self.deps.clock.now():
            return opening
        await self.wakes.look_at_schedule(trigger.project_id, trigger.id, opening, due)
        return Fired(fire_time=opening, outcome="waiting", reason=reason)

    async def _fired(self, trigger: Trigger, config: ScheduleTriggerConfig, at: datetime) -> Fired:
        reason = too_late(config, at, self.deps.clock.now())
        late = None if reason is None else Fired(fire_time=at, outcome="skipped", reason=reason)
        if config.overlap == "queue" and late is None:
            done = await self._in_turn(trigger, config, at)
            waits = Fired(fire_time=at, outcome="waiting", reason="Executions of earlier fire times have not ended.")
            return next((each for each in done if each.fire_time == at), waits)
        claimed = await self._claim(trigger)
        fired = late or await fire(self.deps, trigger, at)
        if claimed is not None:  # another fire time may be remembered just now; then this one is only logged
            memory = _memory(claimed)
            left = await drain(self.deps, trigger, memory)  # of the time when the policy was to queue
            await self._keep(claimed, config, memory, [*left, fired])
        return fired

    async def _in_turn(self, trigger: Trigger, config: ScheduleTriggerConfig, at: datetime | None) -> list[Fired]:
        """Puts the fire time behind those that wait, and runs those that may; what became of them."""
        claimed = await self._claim(trigger)
        if claimed is None:
            raise StoreUnavailable(f"Another fire time of the schedule '{trigger.id}' is at work. Try again.")
        memory = _memory(claimed)
        if at is not None and at not in memory.queue:
            memory.queue.append(at)
        done = await drain(self.deps, trigger, memory)
        done += bounded(memory, config)
        await self._keep(claimed, config, memory, done)
        return done

    async def _claim(self, trigger: Trigger) -> ClaimedTrigger | None:
        now = self.deps.clock.now()
        claimed = await self.deps.states.claim(TriggerType.SCHEDULE, now, lease=LEASE, only=trigger.id)
        return claimed[0] if claimed else None

    async def _keep(
        self, claimed: ClaimedTrigger, config: ScheduleTriggerConfig, memory: ScheduleMemory, done: list[Fired]
    ) -> None:
        """Keeps what became of fire times, with a dead letter where one was refused, and gives the claim back."""
        trigger, now = claimed.trigger, self.deps.clock.now()
        memory.next_fire = next_fire(config, now)
        memory.recent = [*reversed(done), *memory.recent][:LAST]
        letters = undelivered(trigger, config, memory, done)
        state = TriggerState(memory.model_dump(mode="json"), now)  # due at once: the next fire time can claim it
        await self.deps.states.keep(claimed, state, now, undelivered=letters, paused=memory.paused_reason)


def _memory(claimed: ClaimedTrigger) -> ScheduleMemory:
    memory = ScheduleMemory.model_validate(claimed.state.document if claimed.state is not None else {})
    if claimed.changed:
        memory.failures, memory.paused_reason = 0, None
    return memory
