"""What is written when: the promises of durable and express, progress of blocked runs, cancelling and closing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus
from statemachines.interpreter import Machine
from tests.interpreter.harness import (
    EPOCH,
    Case,
    MemoryJournal,
    Played,
    Raises,
    Returns,
    ScriptedRunner,
    branch,
    ending,
    in_virtual_time,
    interpreter,
    pass_,
    play,
    request,
    task,
)

RUNNING, SUCCEEDED = ExecutionStatus.RUNNING, ExecutionStatus.SUCCEEDED
QUICK = {name: [Returns(name)] for name in "abc"}
CHAIN = Case("chain", {"a": task(Next="p"), "p": pass_(Next="b"), "b": task(Next="c"), "c": task()}, tasks=QUICK)


class WatchedRunner(ScriptedRunner):
    """Notes what was on disk when each task started."""

    def __init__(self, scripts: Any, journal: MemoryJournal) -> None:
        super().__init__(scripts)
        self.journal = journal
        self.on_disk: list[list[str]] = []

    async def run(self, call: Any) -> Any:
        self.on_disk.append([event.type for event in self.journal.events])
        return await super().run(call)


def watched(case: Case, mode: str) -> tuple[MemoryJournal, WatchedRunner]:
    journal = MemoryJournal(0.005)
    runner = WatchedRunner(case.tasks, journal)

    async def main() -> None:
        engine = interpreter(journal, runner)
        await engine.run(Machine.load(case.document()), request({}), workflow_name="flow", mode=mode)

    in_virtual_time(main)
    return journal, runner


def test_pure_states_cost_one_write():
    run = play(Case("pure", {"a": pass_(Next="b"), "b": pass_()}))

    assert run.journal.statuses == [SUCCEEDED]
    assert len(run.journal.writes) == 1


def test_the_first_write_says_running_unless_it_is_the_last():
    run = play(CHAIN)

    assert run.journal.statuses == [RUNNING, SUCCEEDED]
    assert run.journal.writes[0].change.at == EPOCH
    assert run.journal.writes[-1].change.result["Payload"] == "c"


def test_durable_has_every_result_on_disk_before_the_next_task_starts():
    journal, runner = watched(CHAIN, "durable")

    assert [types.count("TaskSucceeded") for types in runner.on_disk] == [0, 1, 2]
    assert len(journal.writes) == 3  # after a, after b, and the end: quick tasks cost no write for having started


def test_durable_has_a_failed_attempt_on_disk_before_the_next_one():
    case = Case("retry", {"a": task(Retry=[{"ErrorEquals": ["Bad"]}])}, tasks={"a": [Raises("Bad"), Returns()]})
    _, runner = watched(case, "durable")

    assert [types.count("TaskFailed") for types in runner.on_disk] == [0, 1]


def test_express_writes_once():
    journal, runner = watched(CHAIN, "express")

    assert runner.on_disk == [[], [], []]
    assert journal.statuses == [SUCCEEDED]


@pytest.mark.parametrize("mode", ["durable", "express"])
def test_a_blocked_run_is_written_after_25_ms(mode: str):
    run = play(Case("slow", {"a": task()}, tasks={"a": [Returns(seconds=1)]}), mode=mode)

    assert run.journal.writes[0].at == pytest.approx(0.025)
    assert [event.type for event in run.journal.writes[0].events][-1] == "TaskStarted"
    assert run.journal.statuses == [RUNNING, SUCCEEDED]


def test_results_of_parallel_tasks_share_a_write():
    branches = [branch(**{f"t{i}": task()}) for i in range(20)]
    case = Case(
        "fan",
        {"p": ending({"Type": "Parallel", "Branches": branches})},
        tasks={f"t{i}": [Returns(i, 0.010)] for i in range(20)},
    )

    assert len(play(case).journal.writes) == 1


def test_ids_count_up_without_gaps():
    run = play(CHAIN, commit=0.005)

    assert [event.id for event in run.journal.events] == list(range(1, len(run.journal.events) + 1))


def test_a_result_that_comes_during_a_write_waits_for_that_write_only():
    case = Case("between", {"a": task(Next="b"), "b": task()}, tasks={"a": [Returns(seconds=0.027)], "b": [Returns()]})
    run = play(case, commit=0.005)

    assert [write.at for write in run.journal.writes] == pytest.approx([0.030, 0.035, 0.040])


def test_what_a_runner_does_to_its_arguments_changes_nothing():
    class Vandal(ScriptedRunner):
        async def run(self, call: Any) -> Any:
            result = await super().run(call)
            call.arguments["Payload"]["deep"].append("changed")
            return result

    asl = Case("vandal", {"v": pass_(Assign={"d": {"deep": [1]}}, Next="a"), "a": task("{% $d %}", Output="{% $d %}")})
    journal = MemoryJournal()

    async def main() -> Any:
        engine = interpreter(journal, Vandal({"a": [Returns()]}))
        return await engine.run(Machine.load(asl.document()), request({}), workflow_name="flow")

    assert in_virtual_time(main).result == {"deep": [1]}


def test_a_runner_that_breaks_fails_its_task():
    class Broken(ScriptedRunner):
        async def run(self, call: Any) -> Any:
            raise LookupError("a bug")

    async def main() -> Any:
        engine = interpreter(MemoryJournal(), Broken({}))
        return await engine.run(Machine.load(CHAIN.document()), request({}), workflow_name="flow")

    change = in_virtual_time(main)
    assert change.error == {"name": "States.Runtime", "cause": "The task runner failed with LookupError."}


SLOW = Case(
    "slow",
    {
        "p": ending(
            {"Type": "Parallel", "Branches": [branch(a=task()), branch(w=ending({"Type": "Wait", "Seconds": 99}))]}
        )
    },
    tasks={"a": [Returns(seconds=90)]},
)


def interrupted(act: Any) -> tuple[Any, Played]:
    """Starts SLOW, and after a second calls `act` with the interpreter; what `run` gave or raised."""
    journal, runner = MemoryJournal(), ScriptedRunner(SLOW.tasks)

    async def main() -> tuple[Any, float]:
        engine = interpreter(journal, runner)
        machine = Machine.load(SLOW.document())
        running = asyncio.ensure_future(engine.run(machine, request({}), workflow_name="flow"))
        await asyncio.sleep(1)
        await act(engine)
        (found,) = await asyncio.gather(running, return_exceptions=True)
        return found, asyncio.get_running_loop().time()

    found, seconds = in_virtual_time(main)
    return found, Played(found, journal, runner, seconds)


def test_cancel_aborts_at_once_and_cancels_tasks():
    async def cancel(engine: Any) -> None:
        engine.cancel("0198f0e0-0000-7000-8000-000000000001", "Cancelled on request.")

    change, run = interrupted(cancel)

    assert change.status == ExecutionStatus.CANCELLED
    assert change.error == {"name": "Execution.Aborted", "cause": "Cancelled on request."}
    assert run.types[-1] == "ExecutionAborted"
    assert run.journal.events[-1].previous_id == 0
    assert run.runner.cancelled == ["a"]
    assert run.seconds == pytest.approx(1)


def test_cancel_of_what_does_not_run_here_does_nothing():
    interpreter_ = in_virtual_time(_made)
    interpreter_.cancel("other", "why")


async def _made() -> Any:
    return interpreter(MemoryJournal(), ScriptedRunner({}))


def test_close_leaves_the_execution_resumable():
    async def close(engine: Any) -> None:
        await engine.close()

    found, run = interrupted(close)

    assert isinstance(found, asyncio.CancelledError)
    assert run.journal.statuses == [RUNNING]
    assert run.runner.cancelled == ["a"]
    resumed = play(SLOW, run.journal.events)
    assert resumed.change.status == SUCCEEDED


def test_a_journal_that_fails_ends_the_run_without_a_terminal_state():
    journal, runner = MemoryJournal(), ScriptedRunner(SLOW.tasks)
    journal.failing = StoreUnavailable("no database")

    async def main() -> None:
        engine = interpreter(journal, runner)
        await engine.run(Machine.load(SLOW.document()), request({}), workflow_name="flow")

    with pytest.raises(StoreUnavailable):
        in_virtual_time(main)
    assert runner.cancelled == ["a"]


def test_timestamps_are_those_of_the_clock():
    run = play(Case("slow", {"a": task(Next="b"), "b": pass_()}, tasks={"a": [Returns(seconds=4)]}))

    assert {event.timestamp for event in run.journal.events} == {EPOCH, EPOCH + timedelta(seconds=4)}
