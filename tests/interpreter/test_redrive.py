"""Redriving what has failed. Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html

What a case expects is what the second run, with the tasks of `redriven`, comes to; its events are those after the
first run's end.
"""

from typing import Any

import pytest

from tests.interpreter.harness import (
    FAILED,
    PAYLOAD,
    TIMED_OUT,
    Case,
    HandsOver,
    Raises,
    Returns,
    branch,
    check,
    ending,
    pass_,
    succeeds,
    task,
)
from tests.interpreter.test_callback import waits
from tests.interpreter.test_distributed import CALL as ITEM
from tests.interpreter.test_distributed import distributed

BAD = Raises("Bad", "b", 1)
ATTEMPT = "TaskScheduled TaskStarted"
DONE = f"{ATTEMPT} TaskSucceeded TaskStateExited"
RETRY = [{"ErrorEquals": ["Bad"], "MaxAttempts": 1, "BackoffRate": 1}]


def parallel(*branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return ending({"Type": "Parallel", "Branches": list(branches), **fields})


def mapped(over: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return ending({"Type": "Map", "ItemProcessor": over, **fields})


def odd_ones_fail(payload: Any, attempt: int) -> Any:
    return Raises("Bad", "b", payload) if payload % 2 else Returns(payload, payload)


CASES = [
    Case(
        "a task is scheduled again, and what succeeded before it is not run again",
        {"a": task(Next="b"), "b": task("{% $states.input.Payload %}", Output=PAYLOAD)},
        tasks={"a": [Returns(7)], "b": [BAD]},
        redriven={"b": lambda payload, _: Returns([payload])},
        output=[7],
        calls=["b"],
        events=f"ExecutionRedriven {DONE}",
    ),
    Case(
        "the retries begin anew",
        {"a": task(Retry=RETRY, Output=PAYLOAD)},
        tasks={"a": [BAD]},
        redriven={"a": [BAD, Returns(1)]},
        output=1,
        calls=["a", "a"],
        events=f"ExecutionRedriven {ATTEMPT} TaskFailed {DONE}",
    ),
    Case(
        "the retry count begins anew, and the redrive is in the context",
        {
            "a": task(
                ["{% $states.context.State.RetryCount %}", "{% $states.context.Execution.RedriveCount %}"],
                Retry=RETRY,
                Output=PAYLOAD,
            )
        },
        tasks={"a": [BAD]},
        redriven={"a": lambda payload, _: Returns(payload)},
        output=[0, 1],
    ),
    Case(
        "RedriveTime, which is not there before",
        {"a": task("{% $states.context.Execution.RedriveTime %}", Output=PAYLOAD)},
        tasks={"a": [BAD]},
        redriven={"a": lambda payload, _: Returns(payload)},
        output="2026-01-01T00:00:00.000Z",
    ),
    Case(
        "it may fail again",
        {"a": task()},
        tasks={"a": [BAD]},
        redriven={"a": [Raises("Worse", "w")]},
        status=FAILED,
        error="Worse",
        events=f"ExecutionRedriven {ATTEMPT} TaskFailed",
    ),
    Case(
        "TimeoutSeconds begin anew",
        {"a": task(TimeoutSeconds=3, Output=PAYLOAD)},
        tasks={"a": [Returns(seconds=9)]},
        redriven={"a": [Returns("now", seconds=2)]},
        output="now",
    ),
    Case(
        "a state whose Output failed does its work again",
        {"a": task(Output="{% $states.result.Payload.x %}")},
        tasks={"a": [Returns({})]},
        redriven={"a": [Returns({"x": 1})]},
        output=1,
        events=f"ExecutionRedriven {DONE}",
    ),
    Case(
        "variables and inputs are those of before",
        {"v": pass_(Assign={"x": 5}, Output="in", Next="a"), "a": task("{% [$x, $states.input] %}", Output=PAYLOAD)},
        tasks={"a": [BAD]},
        redriven={"a": lambda payload, _: Returns(payload)},
        output=[5, "in"],
    ),
    Case(
        "Fail fails again",
        {"f": {"Type": "Fail", "Error": "Mine"}},
        redriven={},
        status=FAILED,
        error="Mine",
        events="ExecutionRedriven",
    ),
    Case(
        "a Choice is evaluated again",
        {
            "c": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.context.Execution.RedriveCount > 0 %}", "Next": "x"}],
            },
            "x": pass_(),
        },
        redriven={},
        output={},
        events="ExecutionRedriven ChoiceStateExited PassStateEntered PassStateExited",
    ),
    Case(
        "an execution that timed out has all of its time again",
        {"a": task(Next="b"), "b": task(Output=PAYLOAD)},
        tasks={"a": [Returns(seconds=40)], "b": [Returns(seconds=40)]},
        timeout=60,
        redriven={"b": [Returns("done", seconds=50)]},
        output="done",
        seconds=50,
        events=f"ExecutionRedriven {DONE}",
    ),
    Case(
        "and may time out again",
        {"a": task()},
        tasks={"a": [Returns(seconds=90)]},
        timeout=60,
        redriven={"a": [Returns(seconds=90)]},
        status=TIMED_OUT,
        seconds=60,
    ),
    Case(
        "a Wait for seconds waits anew",
        {"p": parallel(branch(w=ending({"Type": "Wait", "Seconds": 30})), branch(f=task()))},
        tasks={"f": [BAD]},
        redriven={"f": [Returns(seconds=5)]},
        output=[{}, {"ExecutedVersion": "$LATEST", "Payload": None, "StatusCode": 200}],
        seconds=30,
    ),
    Case(
        "a Wait for a time that is past is over",
        {
            "p": parallel(
                branch(w=ending({"Type": "Wait", "Timestamp": "2026-01-01T00:00:05Z"})),
                branch(f=task(TimeoutSeconds=1)),
            )
        },
        tasks={"f": [Returns(seconds=9)]},
        redriven={"f": [Returns()]},
        output=[{}, {"ExecutedVersion": "$LATEST", "Payload": None, "StatusCode": 200}],
        seconds=4,
    ),
    Case(
        "a Parallel runs only the branches that did not succeed",
        {
            "p": parallel(
                branch(a=task(Output="a")),
                branch(b=task(Output="b")),
                branch(c=task(Output="c", Next="d"), d=task(Output="d")),
            )
        },
        tasks={
            "a": [Returns(seconds=1)],
            "b": [Raises("Bad", "b", 5)],
            "c": [Returns(seconds=2)],
            "d": [Returns(seconds=9)],
        },
        redriven={"b": [Returns()], "d": [Returns()]},
        output=["a", "b", "d"],
        calls=["b", "d"],
        events=f"ExecutionRedriven {ATTEMPT} {ATTEMPT} TaskSucceeded TaskStateExited TaskSucceeded TaskStateExited "
        "ParallelStateSucceeded ParallelStateExited",
    ),
    Case(
        "the retries of a Parallel begin anew",
        {"p": parallel(branch(f=task(Output="f")), Retry=RETRY)},
        tasks={"f": [BAD]},
        redriven={"f": lambda _, attempt: BAD},
        status=FAILED,
        calls=["f", "f"],
    ),
    Case(
        "a Parallel whose Output failed",
        {"p": parallel(branch(a=task()), Output="{% $states.context.Execution.RedriveCount = 0 ? $x : 1 %}")},
        tasks={"a": [Returns()]},
        redriven={},
        output=1,
        calls=[],
        events="ExecutionRedriven ParallelStateSucceeded ParallelStateExited",
    ),
    Case(
        "a Parallel that failed by the payload limit runs as a whole",
        {
            "p": parallel(
                branch(a=task(Output="{% $pad('', $states.result.Payload, 'x') %}")),
                branch(b=task(Output="{% $pad('', $states.result.Payload, 'x') %}")),
            )
        },
        tasks={"a": [Returns(200_000)], "b": [Returns(200_000)]},
        redriven={"a": [Returns(2)], "b": [Returns(3)]},
        output=["xx", "xxx"],
        calls=["a", "b"],
        events=f"ExecutionRedriven ParallelStateStarted TaskStateEntered {ATTEMPT} TaskStateEntered {ATTEMPT} "
        "TaskSucceeded TaskStateExited TaskSucceeded TaskStateExited ParallelStateSucceeded ParallelStateExited",
    ),
    Case(
        "a Map runs only the iterations that did not succeed",
        {"m": mapped(ITEM)},
        input=[2, 4, 3, 5],
        tasks={"t": odd_ones_fail},
        redriven={"t": lambda payload, _: Returns(payload * 10)},
        output=[2, 40, 30, 50],
        calls=["t", "t", "t"],
    ),
    Case(
        "iterations that had not begun begin",
        {"m": mapped(ITEM, MaxConcurrency=1)},
        input=[2, 3, 4],
        tasks={"t": odd_ones_fail},
        redriven={"t": lambda payload, _: Returns(payload * 10)},
        output=[2, 30, 40],
        calls=["t", "t"],
    ),
    Case(
        "nested",
        {
            "p": parallel(
                branch(m=mapped(ITEM, Items=[2, 3])),
                branch(n=parallel(branch(x=task(Output="x")), branch(y=task(Output="y")))),
            )
        },
        tasks={"t": odd_ones_fail, "x": [Returns(seconds=1)], "y": [Returns(seconds=9)]},
        redriven={"t": lambda payload, _: Returns(payload * 10), "y": [Returns()]},
        output=[[2, 30], ["x", "y"]],
        calls=["t", "y"],
    ),
    Case(
        "a caught failure is not the one that is redriven",
        {
            "a": task(Catch=[{"ErrorEquals": ["Bad"], "Next": "b"}], Next="b"),
            "b": task(Output=PAYLOAD),
        },
        tasks={"a": [BAD], "b": [BAD]},
        redriven={"b": [Returns("b")]},
        output="b",
        calls=["b"],
    ),
    Case(
        "a task that waits is handed over again, with another token",
        {"t": waits(TimeoutSeconds=10)},
        tasks={"t": [HandsOver((succeeds("late", 12),))]},
        redriven={"t": [HandsOver((succeeds("again", 5),))]},
        output="again",
        calls=["t"],
        events=f"ExecutionRedriven {ATTEMPT} TaskSubmitted TaskSucceeded TaskStateExited",
    ),
    Case(
        "a Map Run runs only the items that did not succeed",
        {"m": distributed(ITEM)},
        input=[2, 4, 3, 5],
        tasks={"t": odd_ones_fail},
        redriven={"t": lambda payload, _: Returns(payload * 10, payload)},
        output=[2, 40, 30, 50],
        calls=["t", "t", "t"],
        events="ExecutionRedriven MapRunRedriven MapRunSucceeded MapStateSucceeded MapStateExited",
    ),
    Case(
        "items that had not begun begin too",
        {"m": distributed(ITEM, MaxConcurrency=1)},
        input=[2, 3, 4],
        tasks={"t": odd_ones_fail},
        redriven={"t": lambda payload, _: Returns(payload * 10)},
        output=[2, 30, 40],
        calls=["t", "t"],
    ),
    Case(
        "tolerated failures are redriven with a run that failed",
        {"m": distributed(ITEM, ToleratedFailureCount=1, MaxConcurrency=1)},
        input=[1, 2, 3, 4],
        tasks={"t": odd_ones_fail},
        redriven={"t": lambda payload, _: Returns(payload * 10)},
        output=[10, 2, 30, 40],
        calls=["t", "t", "t"],
    ),
    Case(
        "a Map Run that was cut by the time-out",
        {"m": distributed(ITEM)},
        input=[1, 20],
        tasks={"t": lambda payload, _: Returns(payload, payload)},
        timeout=10,
        redriven={"t": lambda payload, _: Returns(payload * 10)},
        output=[1, 200],
        calls=["t"],
    ),
    Case(
        "a Map Run that fails again",
        {"m": distributed(ITEM)},
        input=[2, 3],
        tasks={"t": odd_ones_fail},
        redriven={"t": odd_ones_fail},
        status=FAILED,
        error="States.ExceedToleratedFailureThreshold",
        events="ExecutionRedriven MapRunRedriven MapRunFailed MapStateFailed",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_redrive(case: Case):
    check(case)
