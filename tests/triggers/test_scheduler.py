"""The scheduler over a real database, on a clock that a test moves."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.schedule import core
from functions.schedule.arrivals import Arrivals
from functions.schedule.core import LEASE
from local.scheduler import Scheduler, Timed
from local.wiring_schedules import scheduler
from shared.adapters.aws.executions import AwsExecutions
from shared.clock import ManualClock, iso
from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, StatusChange
from shared.ids import new_id
from shared.ports import TaskCall
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.schedule import ScheduleTriggerConfig
from shared.workflow.records import Workflow, WorkflowStatus
from tests.support.stores import KeptBus, Stores, Woken, new_workflow

T0 = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)


class NoTasks:
    """Schedules ask for no work of nodes."""

    async def run(self, call: TaskCall) -> Any:
        raise AssertionError(call)

    async def stop(self, call: TaskCall) -> None:
        raise AssertionError(call)


class Bench:
    """One workflow, a clock, and schedulers as processes would have them."""

    def __init__(self, stores: Stores, workflow: Workflow) -> None:
        self.stores, self.workflow, self.clock = stores, workflow, ManualClock(T0)
        self.woken = Woken()
        self.scheduler = self.another()

    def another(self):
        s = self.stores
        return scheduler(s.engine, runner=NoTasks(), blobs=s.blobs, queue=s.queue, clock=self.clock)

    @property
    def deps(self) -> core.Deps:
        s = self.stores
        return core.Deps(s.triggers, s.trigger_states, s.trigger_runs, s.workflows, s.executions, s.queue, self.clock)

    @property
    def arrivals(self) -> Arrivals:
        return Arrivals(self.deps, self.woken)

    async def schedule(self, **config: Any) -> Trigger:
        stored = ScheduleTriggerConfig.model_validate(config).model_dump(mode="json", by_alias=True, exclude_none=True)
        at = self.clock.now()
        trigger = Trigger(
            new_id(), self.workflow.project_id, self.workflow.id, TriggerType.SCHEDULE, stored, True, at, at
        )
        await self.stores.triggers.create(trigger, None)
        return trigger

    async def until(self, at: datetime, *, step: timedelta = timedelta(minutes=1)) -> None:
        """Looks every `step`, as a process does that runs."""
        while self.clock.now() < at:
            self.clock.advance(min(step, at - self.clock.now()).total_seconds())
            await self.scheduler.look()

    async def started(self) -> list[str]:
        """Fire times of what was started, in the order of their start."""
        page = await self.stores.executions.list(self.workflow.project_id, workflow_id=self.workflow.id, limit=200)
        return [each.context["trigger"]["fire_time"] for each in reversed(page.items)]

    async def state(self, trigger: Trigger) -> core.ScheduleMemory:
        kept = await self.stores.trigger_states.get(trigger.project_id, trigger.id)
        assert kept is not None
        return core.ScheduleMemory.model_validate(kept.document)

    async def finish(self) -> int:
        """Ends every execution that is not finished."""
        page = await self.stores.executions.list(self.workflow.project_id, workflow_id=self.workflow.id, limit=200)
        open_ = [each for each in page.items if not each.status.terminal]
        for each in open_:
            change = StatusChange(ExecutionStatus.SUCCEEDED, self.clock.now(), result=1)
            await self.stores.journal.write(each.id, each.project_id, (), change)
        return len(open_)


@pytest.fixture
async def bench(stores: Stores) -> Bench:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return Bench(stores, workflow)


def hours(first: datetime, count: int) -> list[str]:
    return [iso(first + timedelta(hours=number)) for number in range(count)]


async def test_it_fires_at_each_time_and_once(bench: Bench):
    await bench.schedule(cron="0 * * * *")

    await bench.until(T0 + timedelta(hours=3))
    await bench.scheduler.look()

    assert await bench.started() == hours(T0 + timedelta(minutes=30), 3)


async def test_the_input_tells_the_fire_time(bench: Bench):
    trigger = await bench.schedule(
        cron="0 14 * * *", timezone="Europe/Berlin", input={"day": "{% $substring($fire.local_time, 0, 10) %}", "n": 1}
    )

    await bench.until(T0 + timedelta(hours=1))

    (listed,) = (await bench.stores.executions.list(trigger.project_id, workflow_id=trigger.workflow_id)).items
    execution = await bench.stores.executions.get(trigger.project_id, listed.id)
    assert execution.input == {"day": "2026-03-02", "n": 1}
    assert execution.context["trigger"] == {
        "type": "schedule",
        "id": trigger.id,
        "fire_time": "2026-03-02T13:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ({"policy": "skip"}, []),
        ({"policy": "run_latest"}, hours(T0 + timedelta(minutes=30, hours=71), 1)),
        ({"policy": "run_all"}, hours(T0 + timedelta(minutes=30), 72)),
        ({"policy": "run_all", "max_runs": 5}, hours(T0 + timedelta(minutes=30, hours=67), 5)),
    ],
)
async def test_after_three_days_down_each_policy_does_what_it_says(bench: Bench, missed, expected):
    trigger = await bench.schedule(cron="0 * * * *", missed=missed)
    await bench.scheduler.look()

    bench.clock.advance(timedelta(days=3).total_seconds())
    await bench.scheduler.look()

    assert await bench.started() == expected
    assert (await bench.state(trigger)).missed_until == bench.clock.now()
    await bench.until(bench.clock.now() + timedelta(hours=1))
    assert await bench.started() == [*expected, iso(T0 + timedelta(days=3, minutes=30))]


async def test_what_is_due_on_time_when_a_process_comes_back_runs_under_every_policy(bench: Bench):
    await bench.schedule(cron="0 * * * *", missed={"policy": "skip"})
    await bench.schedule(cron="0 * * * *", missed={"policy": "run_latest"})
    await bench.scheduler.look()

    bench.clock.advance(timedelta(days=3, minutes=30, seconds=59).total_seconds())
    await bench.scheduler.look()

    assert await bench.started() == [iso(T0 + timedelta(days=3, minutes=30))] * 2


async def test_two_processes_never_fire_twice(bench: Bench):
    for _ in range(20):
        await bench.schedule(cron="0 * * * *", missed={"policy": "run_all"})
    other = bench.another()
    await bench.scheduler.look()

    for _ in range(5):
        bench.clock.advance(3600)
        looked = await asyncio.gather(bench.scheduler.look(), other.look(), bench.another().look())
        assert sum(looked) == 20

    assert len(await bench.started()) == 100


async def test_a_process_that_dies_between_start_and_keep_fires_nothing_twice(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *", overlap="cancel_previous")
    await bench.scheduler.look()
    bench.clock.advance(1800)
    (claimed,) = await bench.stores.trigger_states.claim(TriggerType.SCHEDULE, bench.clock.now(), lease=LEASE)

    class Broken:
        async def keep(self, *_: Any, **__: Any) -> bool:
            raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        await core.advance(replace(bench.deps, states=Broken()), claimed)
    assert await bench.scheduler.look() == 0
    bench.clock.advance(LEASE.total_seconds())
    assert await bench.scheduler.look() == 1

    assert await bench.started() == hours(T0 + timedelta(minutes=30), 1)
    assert [each.outcome for each in (await bench.state(trigger)).recent] == ["duplicate"]
    listed = await bench.stores.executions.list(trigger.project_id, workflow_id=trigger.workflow_id)
    assert listed.items[0].status is ExecutionStatus.QUEUED


async def test_a_claim_that_ran_out_keeps_nothing(bench: Bench):
    await bench.schedule(cron="0 * * * *")
    (slow,) = await bench.stores.trigger_states.claim(TriggerType.SCHEDULE, bench.clock.now(), lease=LEASE)
    bench.clock.advance(31)
    (quick,) = await bench.stores.trigger_states.claim(TriggerType.SCHEDULE, bench.clock.now(), lease=LEASE)
    state = core.TriggerState({}, None)

    assert not await bench.stores.trigger_states.keep(slow, state, T0)
    assert await bench.stores.trigger_states.keep(quick, state, T0)


async def test_overlap_skip(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *", overlap="skip")

    await bench.until(T0 + timedelta(hours=2))
    assert await bench.finish() == 1
    await bench.until(T0 + timedelta(hours=3))

    assert await bench.started() == [iso(T0 + timedelta(minutes=30)), iso(T0 + timedelta(minutes=150))]
    assert [each.outcome for each in (await bench.state(trigger)).recent] == ["started", "skipped", "started"]


async def test_overlap_queue_runs_one_after_the_other(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *", overlap="queue", max_queued=2)

    await bench.until(T0 + timedelta(hours=4))
    state = await bench.state(trigger)
    assert len(await bench.started()) == 1
    assert [iso(at) for at in state.queue] == hours(T0 + timedelta(minutes=90), 2)
    assert [each.outcome for each in state.recent] == ["skipped", "started"]
    for _ in range(3):
        assert await bench.finish() == 1
        bench.clock.advance(1)
        await bench.scheduler.look()

    assert await bench.started() == hours(T0 + timedelta(minutes=30), 3)


async def test_overlap_cancel_previous(bench: Bench):
    await bench.schedule(cron="0 * * * *", overlap="cancel_previous")

    await bench.until(T0 + timedelta(hours=3))

    listed = await bench.stores.executions.list(bench.workflow.project_id, workflow_id=bench.workflow.id)
    assert [each.status.value for each in listed.items] == ["queued", "cancelled", "cancelled"]


async def test_what_cannot_be_cancelled_lets_a_fire_time_pass(stores: Stores):
    """Express executions on AWS, while they run."""
    workflow, version = new_workflow(definition={"settings": {"mode": "express"}})
    await stores.workflows.create(workflow, version)
    bench = Bench(stores, workflow)
    trigger = await bench.schedule(cron="0 * * * *", overlap="cancel_previous")
    deps = replace(bench.deps, executions=AwsExecutions(stores.executions, None, stores.progress, KeptBus(), Woken()))
    first = await core.fire(deps, trigger, T0)
    change = StatusChange(ExecutionStatus.RUNNING, bench.clock.now())
    await stores.journal.write(first.execution_id, trigger.project_id, (), change)

    second = await core.fire(deps, trigger, T0 + timedelta(hours=1))
    await bench.finish()
    third = await core.fire(deps, trigger, T0 + timedelta(hours=2))

    assert [each.outcome for each in (first, second, third)] == ["started", "skipped", "started"]
    assert "cannot be cancelled" in second.reason


async def test_pausing_stops_and_resuming_makes_up_for_nothing(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *", missed={"policy": "run_all"})
    await bench.until(T0 + timedelta(hours=1))
    await bench.stores.triggers.update(replace(trigger, is_active=False, updated_at=bench.clock.now()), None)
    await bench.until(T0 + timedelta(hours=5))
    await bench.stores.triggers.update(replace(trigger, is_active=True, updated_at=bench.clock.now()), None)
    await bench.until(T0 + timedelta(hours=6))

    assert await bench.started() == [iso(T0 + timedelta(minutes=30)), iso(T0 + timedelta(hours=5, minutes=30))]


async def test_a_paused_workflow_refuses_and_says_why(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *")
    at = bench.clock.now()
    await bench.stores.workflows.set_status(trigger.project_id, trigger.workflow_id, WorkflowStatus.PAUSED, at)

    await bench.until(T0 + timedelta(hours=1))

    (fired,) = (await bench.state(trigger)).recent
    assert (fired.outcome, "paused" in fired.reason) == ("refused", True)


async def test_triggers_of_deleted_workflows_rest(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *")
    at = bench.clock.now()
    await bench.stores.workflows.set_status(trigger.project_id, trigger.workflow_id, WorkflowStatus.DELETED, at)

    await bench.until(T0 + timedelta(hours=1))

    assert await bench.stores.trigger_states.get(trigger.project_id, trigger.id) is None


async def test_jitter_delays_each_run_by_its_own_amount(bench: Bench):
    await bench.schedule(cron="0 * * * *", jitter_seconds=600)
    seen: dict[str, datetime] = {}
    while bench.clock.now() < T0 + timedelta(hours=5):
        bench.clock.advance(60)
        await bench.scheduler.look()
        for fire in await bench.started():
            seen.setdefault(fire, bench.clock.now())

    late = [at - datetime.fromisoformat(fire) for fire, at in seen.items()]
    assert list(seen) == hours(T0 + timedelta(minutes=30), 5)
    assert all(timedelta() <= each <= timedelta(seconds=660) for each in late)
    assert len(set(late)) > 1


async def test_a_one_off_fires_once_and_is_done(bench: Bench):
    trigger = await bench.schedule(at="2026-03-02T13:00:00")

    await bench.until(T0 + timedelta(hours=2))

    assert await bench.started() == hours(T0 + timedelta(minutes=30), 1)
    assert (await bench.stores.trigger_states.get(trigger.project_id, trigger.id)).due_at is None


async def test_one_broken_trigger_does_not_stop_the_others(bench: Bench, caplog):
    broken = await bench.schedule(cron="0 * * * *")
    await bench.stores.triggers.update(replace(broken, config={"cron": "nonsense"}), None)
    await bench.schedule(cron="0 * * * *")

    await bench.until(T0 + timedelta(hours=1))

    assert await bench.started() == hours(T0 + timedelta(minutes=30), 1)
    assert "trigger failed inside the platform" in caplog.text


async def test_a_slow_trigger_keeps_no_other_waiting(bench: Bench):
    slow, quick = await bench.schedule(cron="0 * * * *"), asyncio.Event()

    async def advance(claimed: Any) -> None:
        if claimed.trigger.id != slow.id:
            quick.set()
            return
        await bench.schedule(cron="0 * * * *")
        await asyncio.Event().wait()

    types = {TriggerType.SCHEDULE: Timed(advance, LEASE)}
    running = asyncio.create_task(Scheduler(states=bench.stores.trigger_states, types=types, clock=bench.clock).run())
    await asyncio.wait_for(quick.wait(), 20)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_eventbridge_scheduler_sends_starts_the_same_run(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *", window={"days": ["mon"], "outside": "skip"})
    await bench.until(T0 + timedelta(hours=1))
    again = await bench.arrivals.on_event(trigger.project_id, trigger.id, T0 + timedelta(minutes=30))
    outside = await bench.arrivals.on_event(trigger.project_id, trigger.id, T0 + timedelta(days=1))
    unknown = await bench.arrivals.on_event(trigger.project_id, new_id(), T0)

    assert [each.outcome for each in (again, outside, unknown)] == ["duplicate", "skipped", "skipped"]


async def test_a_fire_time_of_eventbridge_is_remembered_and_its_refusals_pause_the_trigger(bench: Bench):
    trigger = await bench.schedule(cron="0 * * * *", pause_after_failures=2, input={"n": "{% $number('no') %}"})
    outcomes = []
    for hour in range(3):
        at = T0 + timedelta(hours=hour)
        bench.clock.advance((at - bench.clock.now()).total_seconds())
        outcomes.append((await bench.arrivals.on_event(trigger.project_id, trigger.id, at)).outcome)

    assert outcomes == ["refused", "refused", "skipped"], "then it is switched off"
    letters = await bench.stores.dead_letters.list(trigger.project_id, trigger_id=trigger.id)
    assert len(letters.items) == 2
    memory = await bench.state(trigger)
    assert memory.paused_reason
    assert [each.outcome for each in memory.recent] == ["refused", "refused"]
