"""Tokens of tasks that wait, what is given up and stopped, and completions that mean nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.executions.records import TaskCompletion
from statemachines.interpreter import Interpreter, Machine
from tests.interpreter.harness import (
    EPOCH,
    EXECUTION,
    TOKENS,
    Case,
    HandsOver,
    LoopClock,
    MemoryJournal,
    Returns,
    ScriptedRunner,
    check,
    in_virtual_time,
    play,
    request,
)
from tests.interpreter.test_callback import CASES, waits


def of(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def test_a_missed_heartbeat_has_the_details_that_aws_records():
    run = check(of("HeartbeatSeconds without a sign of life; AWS records States.Timeout"))
    about = {"resourceType": "lambda", "resource": "invoke.waitForTaskToken"}

    assert run.journal.events[2].details["heartbeatInSeconds"] == 5
    assert run.journal.events[5].details == {**about, "error": "States.Timeout"}
    assert run.journal.events[6].details == {"error": "States.Timeout"}


def test_every_attempt_has_a_token_of_its_own():
    run = check(of("a failed completion is tried again, with another token"))

    assert [call.task_token for call in run.runner.calls] == [TOKENS.mint(EXECUTION, 2, n) for n in (0, 1)]
    assert [call.arguments["Payload"]["token"] for call in run.runner.calls] == [
        call.task_token for call in run.runner.calls
    ]
    assert {TOKENS.execution_of(str(call.task_token)) for call in run.runner.calls} == {EXECUTION}


@pytest.mark.parametrize(
    "name",
    [
        "TimeoutSeconds of a task that nobody completes",
        "HeartbeatSeconds without a sign of life; AWS records States.Timeout",
        "a sibling that fails gives the task up",
        "the execution's time-out gives the task up",
        "a call that takes longer than TimeoutSeconds",
    ],
)
def test_what_is_given_up_is_stopped(name: str):
    assert check(of(name)).runner.stopped == ["t"]


def test_what_was_completed_is_not_stopped():
    assert check(of("the completion is the result")).runner.stopped == []
    assert check(of("a failed completion is caught")).runner.stopped == []


def test_a_task_is_stopped_before_the_end_is_on_disk():
    """After the end nobody would take care of it."""

    run = play(of("the execution's time-out gives the task up"))
    last, before = run.journal.writes[-1], run.journal.writes[:-1]
    assert [event.type for event in last.events] == ["ExecutionTimedOut"]
    assert all(write.change is None or not write.change.status.terminal for write in before)


def test_an_execution_that_is_cancelled_after_a_restart_stops_what_was_handed_over():
    case = Case("waiting", {"t": waits()}, tasks={"t": [HandsOver()]}, timeout=30)
    history = play(case).journal.events[:-1]
    run = play(case, history, cancelled="no more")

    assert run.change.status == "cancelled"
    assert run.runner.stopped == ["t"]
    assert run.runner.calls == []


def test_completions_of_another_token_or_execution_do_nothing():
    case = Case("waiting", {"t": waits(TimeoutSeconds=20)}, tasks={"t": [HandsOver()]})
    later = EPOCH + timedelta(seconds=3)
    strange = [
        TaskCompletion(EXECUTION, TOKENS.mint(EXECUTION, 99, 0), "succeeded", later, "no"),
        TaskCompletion("other", TOKENS.mint("other", 2, 0), "succeeded", later, "no"),
        TaskCompletion(EXECUTION, "nonsense", "failed", later, error="no"),
    ]
    for said in (strange, [replace(each, at=EPOCH) for each in strange]):
        assert play(case, said=said).change.error == {"name": "States.Timeout", "cause": ""}


def test_without_a_key_no_task_waits():
    async def main():
        runner = ScriptedRunner({"t": [Returns()]})
        engine = Interpreter(journal=MemoryJournal(), runner=runner, clock=LoopClock())
        machine = Machine.load(Case("t", {"t": waits()}).document())
        return await engine.run(machine, request({}), workflow_name="flow"), runner.calls

    change, calls = in_virtual_time(main)
    assert change.error["name"] == "States.Runtime"
    assert "no key for task tokens" in change.error["cause"]
    assert calls == []
