"""What a Map Run writes and where, how it is bounded, and what is found again after a crash."""

import orjson
import pytest

from shared.ids import derived_id
from statemachines.interpreter import Interpreter, Machine
from statemachines.interpreter.map_run import Tolerance
from tests.interpreter.harness import (
    EPOCH,
    EXECUTION,
    Case,
    LoopClock,
    MemoryJournal,
    Returns,
    ScriptedRunner,
    branch,
    check,
    in_virtual_time,
    pass_,
    play,
    request,
)
from tests.interpreter.test_distributed import CALL, CASES, EXCEEDED, distributed


@pytest.mark.parametrize(
    ("failed", "total", "count", "percentage", "exceeded"),
    [
        (1, 3, 0, 0, True),
        (0, 3, 0, 0, False),
        (1, 3, 1, 100, False),
        (3, 3, 1, 100, True),
        (3, 3, 3, 100, False),
        (1, 3, 0, 100, False),
        (1, 3, 100_000, 34, False),
        (1, 3, 100_000, 33, True),
        (1, 4, 100_000, 25, False),
        (1, 4, 100_000, 24, True),
        (1, 3, 0, 50, False),
        (3, 3, 0, 50, True),
        (1, 3, 5, 0, False),
        (3, 3, 5, 0, False),
        (2, 3, 1, 90, True),
        (2, 3, 5, 50, True),
        (2, 5, 1, 100, True),
        (2, 5, 100_000, 39, True),
        (2, 5, 100_000, 40, False),
    ],
)
def test_thresholds(failed, total, count, percentage, exceeded):
    """As measured in Step Functions."""
    assert Tolerance(count, percentage).exceeded(failed, total) is exceeded


def of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_the_parents_events_are_those_of_aws():
    found = check(of("ItemSelector")).journal.events
    run = derived_id(EXECUTION, "map-run/3")
    label = derived_id(EXECUTION, "label/m")

    assert [(event.id, event.previous_id, event.type) for event in found] == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "MapStateEntered"),
        (3, 2, "MapStateStarted"),
        (4, 3, "MapRunStarted"),
        (5, 4, "MapRunSucceeded"),
        (6, 5, "MapStateSucceeded"),
        (7, 5, "MapStateExited"),
        (8, 7, "ExecutionSucceeded"),
    ]
    assert found[2].details == {"length": 2}
    assert found[3].details == {"mapRunArn": f"arn:aws:states:local:000000000000:mapRun:flow/{label}:{run}"}


def test_a_failed_run_says_why():
    found = check(of("without a threshold one failure fails the state")).journal.events

    assert [(event.previous_id, event.type, event.details) for event in found[4:]] == [
        (4, "MapRunFailed", {"error": EXCEEDED, "cause": "The specified tolerated failure threshold was exceeded"}),
        (5, "MapStateFailed", {}),
        (6, "ExecutionFailed", {"error": EXCEEDED, "cause": "The specified tolerated failure threshold was exceeded"}),
    ]


def test_a_child_execution_has_a_history_of_its_own():
    run = check(of("MaxConcurrency"))
    child = derived_id(derived_id(EXECUTION, "map-run/3"), "4")

    assert [(event.id, event.previous_id, event.type) for event in run.journal.of(child)] == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "TaskStateEntered"),
        (3, 2, "TaskScheduled"),
        (4, 3, "TaskStarted"),
        (5, 4, "TaskSucceeded"),
        (6, 5, "TaskStateExited"),
        (7, 6, "ExecutionSucceeded"),
    ]


def test_a_child_execution_that_is_given_up_is_aborted():
    run = check(of("too many failures give the others up"))
    ends = {run.journal.of(each)[-1].type for each in {each for each, _ in run.journal.log} if each != EXECUTION}

    assert "ExecutionAborted" in ends
    assert "ExecutionFailed" in ends
    assert run.runner.cancelled


def test_tokens_of_child_executions_name_the_execution_that_has_to_be_woken_up():
    run = check(of("items that somebody outside completes"))

    assert len({call.task_token for call in run.runner.calls}) == 3
    assert {completion.execution_id for completion in run.runner.said} == {EXECUTION}


def test_without_histories_to_read_no_distributed_map_is_run():
    async def main():
        engine = Interpreter(journal=MemoryJournal(), runner=ScriptedRunner({}), clock=LoopClock())
        return await engine.run(
            Machine.load(Case("m", {"m": distributed(Items=[1])}).document()), request({}), workflow_name="flow"
        )

    error = in_virtual_time(main).error
    assert error["name"] == "States.Runtime"
    assert "cannot read histories back" in error["cause"]


def test_many_items_in_bounded_memory():
    """Items begin only as fast as their events are written."""
    journal = MemoryJournal()
    largest = 0
    write = journal.write

    async def watched(execution_id, project_id, events, change=None, completes=None):
        nonlocal largest
        largest = max(largest, len(events))
        await write(execution_id, project_id, events, change, completes)

    journal.write = watched
    count = 20_000

    async def main():
        engine = Interpreter(
            journal=journal,
            runner=ScriptedRunner({}),
            clock=LoopClock(),
            input_of=lambda each, _: each.input,
            histories=journal,
        )
        case = Case("m", {"m": distributed(branch(i=pass_(Output=1)), Output="{% $count($states.result) %}")})
        return await engine.run(Machine.load(case.document()), request(list(range(count))), workflow_name="flow")

    change = in_virtual_time(main)
    assert change.result == count
    assert largest < 2_100
    assert len(journal.log) == 8 + count * 5


def test_what_had_ended_is_not_run_again():
    case = Case(
        "ledger",
        {"m": distributed(CALL, MaxConcurrency=3)},
        input=list(range(1, 31)),
        tasks={"t": lambda payload, _: Returns(payload, payload)},
    )
    whole = play(case)
    for length in range(1, len(whole.journal.log), 7):
        log = whole.journal.log[:length]
        run = play(case, log=log)
        done = sum(event.type == "TaskSucceeded" for _, event in log)
        assert run.change.result == list(range(1, 31))
        assert len(run.runner.calls) <= 30 - done
        ended = {orjson.dumps(call.arguments) for call in run.runner.calls}
        assert len(ended) == len(run.runner.calls)


def test_the_ledger_has_one_event_for_each_item():
    run = check(of("ToleratedFailureCount"))
    ledger = run.journal.of(derived_id(EXECUTION, "map-run/3"))

    assert [(event.id, event.type, event.details, event.timestamp) for event in ledger] == [
        (1, "MapIterationSucceeded", {"index": 0, "output": "1"}, EPOCH),
        (2, "MapIterationFailed", {"index": 1, "error": "Boom", "cause": "c"}, EPOCH),
    ]


def test_a_completion_that_comes_while_histories_are_read_is_not_lost():
    case = next(each for each in CASES if each.name == "items that somebody outside completes")
    whole = play(case)
    log = [each for each in whole.journal.log if each[1].timestamp == EPOCH]  # all are handed over
    assert sum(event.type == "TaskSubmitted" for _, event in log) == 3
    run = play(case, log=log, said=whole.runner.said, commit=5)

    assert run.change.result == [3, 1, 2]
    assert run.runner.calls == []
