"""What a redrive writes, which executions it takes, and that it may come again."""

from typing import Any

import pytest

from shared.errors import Conflict
from shared.executions.records import ExecutionStatus
from statemachines.interpreter import Machine
from tests.interpreter.harness import (
    EPOCH,
    EXECUTION,
    PAYLOAD,
    TOKENS,
    Case,
    MemoryJournal,
    Returns,
    ScriptedRunner,
    check,
    in_virtual_time,
    interpreter,
    pass_,
    play,
    play_redriven,
    request,
    task,
)
from tests.interpreter.test_redrive import BAD, CASES


def of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_the_history_goes_on_where_it_ended():
    case = of("the retries begin anew")
    first = play(case).journal.events
    found = check(case).journal.events

    assert [(event.id, event.previous_id, event.type) for event in found] == [
        (10, 9, "ExecutionRedriven"),
        (11, 8, "TaskScheduled"),
        (12, 11, "TaskStarted"),
        (13, 12, "TaskFailed"),
        (14, 13, "TaskScheduled"),
        (15, 14, "TaskStarted"),
        (16, 15, "TaskSucceeded"),
        (17, 16, "TaskStateExited"),
        (18, 17, "ExecutionSucceeded"),
    ]
    assert first[-1].id == 9
    assert found[0].details == {"redriveCount": 1}


def test_it_is_running_again_first():
    assert check(of("the retries begin anew")).journal.statuses == ["running", "succeeded"]


def test_a_map_run_says_that_it_was_redriven():
    run = check(of("a Map Run runs only the items that did not succeed"))
    started = next(
        event
        for event in play(of("a Map Run runs only the items that did not succeed")).journal.events
        if event.type == "MapRunStarted"
    )
    event = next(event for event in run.journal.events if event.type == "MapRunRedriven")

    assert event.details == {**started.details, "redriveCount": 1}


def test_another_redrive():
    case = Case(
        "twice",
        {"a": task("{% $states.context.Execution.RedriveCount %}", Output=PAYLOAD)},
        tasks={"a": [BAD]},
        redriven={"a": [BAD]},
    )
    once = play_redriven(case)
    twice = play(
        Case("twice", case.states, redriven={"a": lambda payload, _: Returns(payload)}),
        log=once.journal.log,
        redrive=True,
    )

    assert twice.change.result == 2
    assert [
        event.details["redriveCount"] for event in twice.journal.of(EXECUTION) if event.type == "ExecutionRedriven"
    ] == [1, 2]


def test_each_redrive_has_tokens_of_its_own():
    case = of("a task that waits is handed over again, with another token")
    tokens = [play(case).runner.calls[0].task_token, check(case).runner.calls[0].task_token]

    assert tokens == [TOKENS.mint(EXECUTION, 2, 0), TOKENS.mint(EXECUTION, 2, 1)]


def test_an_execution_that_was_cancelled():
    case = Case(
        "cancelled", {"a": task(Next="b"), "b": task(Output=PAYLOAD)}, tasks={"a": [Returns(1)], "b": [Returns()]}
    )
    history = play(case).journal.events[:8]
    aborted = play(case, history, cancelled="stop")
    assert aborted.change.status == ExecutionStatus.CANCELLED

    run = play(Case("cancelled", case.states, redriven={"b": [Returns("b")]}), log=aborted.journal.log, redrive=True)
    assert run.change.result == "b"


def test_what_has_succeeded_is_not_redriven():
    case = Case("done", {"a": pass_(Output=1)})
    run = play(case, log=play(case).journal.log, redrive=True)

    assert run.change.result == 1
    assert run.journal.events == []


def test_a_redrive_that_was_lost_in_a_crash_is_a_plain_resume():
    """The order to redrive is still there when the execution is on its way again."""
    case = of("the retries begin anew")
    log = check(case).journal.log[:11]
    run = play(case, log=log, redrive=True)

    assert [event.type for event in run.journal.of(EXECUTION)].count("ExecutionRedriven") == 1


def test_a_history_that_is_too_long_is_refused():
    loop = {
        "a": pass_(Next="c"),
        "c": {"Type": "Choice", "Choices": [{"Condition": True, "Next": "a"}], "Default": "e"},
        "e": {"Type": "Succeed"},
    }
    case = Case("loop", loop)
    journal = MemoryJournal(log=play(case).journal.log)

    async def main() -> Any:
        engine = interpreter(journal, ScriptedRunner({}), EPOCH)
        history = journal.of(EXECUTION)
        return await engine.run(
            Machine.load(case.document()), request({}), workflow_name="flow", history=history, redrive=True
        )

    with pytest.raises(Conflict, match="24998"):
        in_virtual_time(main)
