"""Fire times that have to wait though nobody looks by the clock: what EventBridge tells, and what wakes a schedule."""

from datetime import timedelta
from typing import Any

import pytest

from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, StatusChange
from shared.ports import ClaimedTrigger
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.schedule import ScheduleTriggerConfig, fires_between
from tests.triggers.test_scheduler import LEASE, T0, Bench, bench  # noqa: F401 - a fixture

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
AFTERNOON = {"hours": [{"from": "15:15", "until": "16:00"}], "outside": "defer"}


async def end(b: Bench) -> None:
    """Ends the execution that runs, as `complete` records it, and tells what that wakes."""
    page = await b.stores.executions.list(DEFAULT_PROJECT_ID, workflow_id=b.workflow.id)
    (one,) = [each for each in page.items if not each.status.terminal]
    change = StatusChange(ExecutionStatus.SUCCEEDED, b.clock.now())
    await b.stores.journal.write(one.id, DEFAULT_PROJECT_ID, (), change)
    told = await b.stores.progress.ended(DEFAULT_PROJECT_ID, one.id)
    assert told is not None
    assert told.queued_for
    assert told.execution.trigger_id is not None
    await b.arrivals.on_end(DEFAULT_PROJECT_ID, told.execution.trigger_id)


def move(b: Bench, to: Any) -> None:
    b.clock.advance((to - b.clock.now()).total_seconds())


async def arrive(b: Bench, trigger: Trigger, *times: Any) -> list[str]:
    return [(await b.arrivals.on_event(DEFAULT_PROJECT_ID, trigger.id, at)).outcome for at in times]


async def test_runs_wait_for_their_turn_and_begin_in_order_when_the_one_before_has_ended(bench: Bench):  # noqa: F811
    trigger = await bench.schedule(cron="0 * * * *", overlap="queue", max_queued=2, missed={"policy": "run_all"})
    times = [T0 + timedelta(minutes=30) + HOUR * n for n in range(4)]
    move(bench, times[-1])

    outcomes = await arrive(bench, trigger, *times, times[1])

    assert outcomes == ["started", "waiting", "waiting", "skipped", "waiting"], "two may wait"
    await end(bench)
    await bench.arrivals.on_end(DEFAULT_PROJECT_ID, trigger.id)  # at least once
    await end(bench)
    await end(bench)
    told = ["2026-03-02T13:00:00.000Z", "2026-03-02T14:00:00.000Z", "2026-03-02T15:00:00.000Z"]
    assert await bench.started() == told


async def test_while_another_one_is_at_work_a_fire_time_comes_again(bench: Bench):  # noqa: F811
    trigger = await bench.schedule(cron="0 * * * *", overlap="queue")
    move(bench, T0 + timedelta(minutes=30))
    (claimed,) = await bench.stores.trigger_states.claim(
        TriggerType.SCHEDULE, bench.clock.now(), lease=LEASE, only=trigger.id
    )
    assert isinstance(claimed, ClaimedTrigger)

    with pytest.raises(StoreUnavailable):
        await arrive(bench, trigger, bench.clock.now())

    bench.clock.advance(LEASE.total_seconds())
    assert await arrive(bench, trigger, T0 + timedelta(minutes=30)) == ["started"]


async def test_what_the_window_moves_comes_once_at_the_opening(bench: Bench):  # noqa: F811
    trigger = await bench.schedule(cron="0 * * * *", window=AFTERNOON)
    opening = T0.replace(hour=15, minute=15)
    for hour in (13, 14, 15):
        move(bench, T0.replace(hour=hour, minute=0))
        await arrive(bench, trigger, bench.clock.now())

    assert bench.woken.schedules == [(trigger.id, opening, opening)], "the last nominal time stands for those before"
    move(bench, opening)
    for _ in range(2):  # SQS delivers at least once
        await bench.arrivals.on_event(DEFAULT_PROJECT_ID, trigger.id, opening, put_off=True)
    assert await bench.started() == ["2026-03-02T15:15:00.000Z"]


async def test_a_schedule_that_was_changed_does_not_run_what_it_put_off_before(bench: Bench):  # noqa: F811
    trigger = await bench.schedule(cron="0 * * * *")
    opening = T0.replace(hour=15, minute=15)
    move(bench, opening)

    fired = await bench.arrivals.on_event(DEFAULT_PROJECT_ID, trigger.id, opening, put_off=True)

    assert (fired.outcome, await bench.started()) == ("skipped", [])


@pytest.mark.parametrize("cron", ["0 * * * *", "*/20 9-17 * * MON-FRI", "15 15 * * *", "50 16 * * SUN"])
@pytest.mark.parametrize("hours", [("15:15", "16:00"), ("22:00", "02:00"), ("09:00", "09:01")])
async def test_what_arrives_is_what_the_local_stage_fires(bench: Bench, cron: str, hours: Any):  # noqa: F811
    """Every nominal time of a week, and whatever was put off in between."""
    window = {"days": ["mon", "wed", "sun"], "hours": [{"from": hours[0], "until": hours[1]}], "outside": "defer"}
    config = ScheduleTriggerConfig.model_validate({"cron": cron, "window": window, "timezone": "Europe/Berlin"})
    nominal = ScheduleTriggerConfig.model_validate({"cron": cron, "timezone": "Europe/Berlin"})
    trigger = await bench.schedule(**config.model_dump(mode="json", by_alias=True, exclude_none=True))
    until = T0 + timedelta(days=7)
    times = list(fires_between(nominal, T0, until))
    for at in times:
        move(bench, at)
        await arrive(bench, trigger, at)
    for _, fire_time, due in bench.woken.schedules:
        if due <= until:
            bench.clock = type(bench.clock)(due)
            await bench.arrivals.on_event(DEFAULT_PROJECT_ID, trigger.id, fire_time, put_off=True)

    expected = [f"{at:%Y-%m-%dT%H:%M:%S}.000Z" for at in fires_between(config, times[0] - TICK, until)]
    assert sorted(await bench.started()) == expected
