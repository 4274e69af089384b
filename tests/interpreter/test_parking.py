"""A parked execution is forgotten and woken up, and nobody can tell from its history.

Every scenario is run twice: never parked, and parked at every point where everything waits.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.executions.records import TaskCompletion
from statemachines.interpreter import Machine, Parked
from tests.interpreter.harness import (
    EPOCH,
    EXECUTION,
    TOKENS,
    Case,
    HandsOver,
    LoopClock,
    MemoryJournal,
    Raises,
    Returns,
    ScriptedRunner,
    beats,
    branch,
    ending,
    in_virtual_time,
    interpreter,
    play,
    request,
    succeeds,
    task,
)
from tests.interpreter.test_callback import waits
from tests.interpreter.test_recovery import cases

ALWAYS = timedelta(0)


def told(log: Any) -> list[Any]:
    return [(each, event.id, event.previous_id, event.type, event.details) for each, event in log]


@pytest.mark.parametrize("case", [case for case in cases() if case.redriven is None], ids=lambda case: case.name)
def test_the_history_is_that_of_one_that_was_never_parked(case: Case):
    free, parked = play(case), play(case, park_after=ALWAYS)

    assert parked.change == free.change
    assert sorted(told(parked.journal.log), key=str) == sorted(told(free.journal.log), key=str)
    assert {event.timestamp for _, event in parked.journal.log} == {event.timestamp for _, event in free.journal.log}
    assert [call.state for call in parked.runner.calls] == [call.state for call in free.runner.calls]


def test_most_of_the_waiting_scenarios_are_parked_at_all():
    waiting = [case for case in cases() if "waitForTaskToken" in str(case.states) or '"Wait"' in str(case.states)]

    assert sum(play(case, park_after=ALWAYS).parked > 0 for case in waiting) > len(waiting) / 2


LONG = Case("long", {"w": ending({"Type": "Wait", "Seconds": 1000})})
CALLBACK = Case("callback", {"t": waits(HeartbeatSeconds=100, TimeoutSeconds=1000)}, tasks={"t": [HandsOver()]})


def once(case: Case, park_after: float, **how: Any) -> tuple[Any, MemoryJournal, ScriptedRunner, float]:
    """Runs until it is parked or at its end, but not further."""
    journal, runner = MemoryJournal(), ScriptedRunner(case.tasks)

    async def main() -> tuple[Any, float]:
        engine = interpreter(journal, runner, park_after=timedelta(seconds=park_after))
        runner.complete = engine.complete
        machine = Machine.load(case.document())
        found = await engine.run(machine, request(case.input), workflow_name="flow", **how)
        return found, asyncio.get_running_loop().time()

    found, seconds = in_virtual_time(main)
    return found, journal, runner, seconds


def test_a_long_wait_is_parked_at_once_with_everything_on_disk():
    found, journal, _, seconds = once(LONG, 60)

    assert found == Parked(EPOCH + timedelta(seconds=1000))
    assert [event.type for event in journal.events] == ["ExecutionStarted", "WaitStateEntered"]
    assert journal.statuses == ["running"]
    assert seconds < 1


def test_a_wait_that_is_not_long_enough_is_not():
    found, *_ = once(LONG, 1000)

    assert found.status == "succeeded"


@pytest.mark.parametrize(
    ("fields", "limit", "wake"),
    [
        ({"HeartbeatSeconds": 100, "TimeoutSeconds": 1000}, None, 100),
        ({"HeartbeatSeconds": 100, "TimeoutSeconds": 110}, 90, 90),
        ({"TimeoutSeconds": 110}, None, 110),
        ({"TimeoutSeconds": 110}, 500, 110),
        ({}, None, None),
        ({}, 500, 500),
    ],
)
def test_it_wakes_for_what_is_due_first(fields: dict[str, int], limit: int | None, wake: int | None):
    case = replace(CALLBACK, states={"t": waits(**fields)}, timeout=limit)
    found, *_ = once(case, 60)

    assert found == Parked(None if wake is None else EPOCH + timedelta(seconds=wake))


def test_one_branch_at_work_keeps_all_of_it_here():
    branches = [branch(w=ending({"Type": "Wait", "Seconds": 1000})), branch(t=task())]
    case = Case("mixed", {"p": ending({"Type": "Parallel", "Branches": branches})}, tasks={"t": [Returns(seconds=50)]})
    found, journal, _, seconds = once(case, 60)

    assert isinstance(found, Parked)
    assert seconds == pytest.approx(50)
    assert journal.events[-1].type == "TaskStateExited"


def test_a_back_off_is_waited_for_like_anything_else():
    state = task(Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 500}])
    case = Case("back-off", {"t": state}, tasks={"t": [Raises("Bad")]})
    found, *_ = once(case, 60)

    assert found == Parked(EPOCH + timedelta(seconds=500))


def test_without_park_after_nothing_is_parked():
    assert play(LONG).parked == 0


def test_a_heartbeat_moves_the_time_to_wake_up():
    case = replace(CALLBACK, tasks={"t": [HandsOver(beats(40))]})
    journal, runner = MemoryJournal(), ScriptedRunner(case.tasks)

    async def main() -> Any:
        engine = interpreter(journal, runner, park_after=timedelta(seconds=70))
        runner.complete = engine.complete
        machine = Machine.load(case.document())
        first = await engine.run(machine, request({}), workflow_name="flow")
        await runner.told.wait()
        said = [*runner.said]
        assert not engine.complete(said[0])  # it does not run here any more
        second = await engine.run(
            machine, request({}), workflow_name="flow", history=journal.of(EXECUTION), completions=said
        )
        return first, second

    first, second = in_virtual_time(main)
    assert first == Parked(EPOCH + timedelta(seconds=100))
    assert second == Parked(EPOCH + timedelta(seconds=140))


def completed(*completions: TaskCompletion, now: float) -> Any:
    """CALLBACK, parked, and woken up after `now` seconds with what was said meanwhile."""
    log = once(CALLBACK, 60)[1].log
    journal, runner = MemoryJournal(log=log), ScriptedRunner(CALLBACK.tasks)
    start = EPOCH + timedelta(seconds=now)

    async def main() -> Any:
        engine = interpreter(journal, runner, start, park_after=timedelta(seconds=1))
        machine = Machine.load(CALLBACK.document())
        history = journal.of(EXECUTION)
        return await engine.run(
            machine, request({}), workflow_name="flow", history=history, completions=completions
        ), runner

    found, runner = in_virtual_time(main)
    return found if isinstance(found, Parked) else found.result if found.error is None else found.error["name"]


def said(kind: Any, seconds: float, output: Any = None, token: str | None = None) -> TaskCompletion:
    token = token or TOKENS.mint(EXECUTION, 2, 0)
    return TaskCompletion(EXECUTION, token, kind, EPOCH + timedelta(seconds=seconds), output, "Failed")


def test_a_completion_that_came_while_it_was_parked():
    assert completed(said("succeeded", 50, "yes"), now=60) == "yes"
    assert completed(said("failed", 50), now=60) == "Failed"


def test_one_that_came_twice_counts_once():
    assert completed(said("succeeded", 50, "first"), said("succeeded", 51, "second"), now=60) == "first"
    assert completed(said("failed", 50), said("succeeded", 51, "second"), now=60) == "Failed"


def test_one_that_came_in_time_counts_however_late_the_worker_is():
    assert completed(said("succeeded", 99, "in time"), now=5000) == "in time"


def test_one_that_came_too_late_does_not():
    assert completed(said("succeeded", 101, "late"), now=5000) == "States.Timeout"


def test_heartbeats_while_it_was_parked_keep_it_alive_as_long_as_there_is_no_gap():
    beating = [said("heartbeat", each) for each in (90, 180, 270)]
    assert completed(*beating, said("succeeded", 360, "alive"), now=5000) == "alive"
    assert completed(*beating[:1], said("succeeded", 195, "late"), now=5000) == "States.Timeout"
    assert completed(*beating, now=300) == Parked(EPOCH + timedelta(seconds=370))


def test_one_for_an_unknown_token_does_nothing():
    assert completed(said("succeeded", 50, "no", token="unknown"), now=60) == Parked(EPOCH + timedelta(seconds=100))


def test_a_completion_during_the_last_write_is_not_lost():
    """It comes after everything waits, and before the caller knows."""
    journal, runner = MemoryJournal(seconds=5), ScriptedRunner({"t": [HandsOver((succeeds("just in time", 2),))]})

    async def main() -> Any:
        engine = interpreter(journal, runner, park_after=timedelta(seconds=60))
        runner.complete = engine.complete
        return await engine.run(Machine.load(CALLBACK.document()), request({}), workflow_name="flow")

    assert in_virtual_time(main).result == "just in time"


def test_a_cancel_during_the_last_write_is_not_lost():
    journal, runner = MemoryJournal(seconds=5), ScriptedRunner(CALLBACK.tasks)

    async def main() -> Any:
        engine = interpreter(journal, runner, park_after=timedelta(seconds=60))
        asyncio.get_running_loop().call_later(2, engine.cancel, EXECUTION, "stop")
        return await engine.run(Machine.load(CALLBACK.document()), request({}), workflow_name="flow")

    assert in_virtual_time(main).status == "cancelled"
    assert runner.stopped == ["t"]


def test_parked_in_express_mode_it_is_on_disk_too():
    found, journal, *_ = once(CALLBACK, 60, mode="express")

    assert isinstance(found, Parked)
    assert journal.events[-1].type == "TaskSubmitted"


def test_the_clock_of_the_harness_is_that_of_the_loop():
    assert in_virtual_time(_now) == EPOCH


async def _now() -> Any:
    return LoopClock().now()
