"""Parallel. Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-parallel.html"""

import pytest

from tests.interpreter.harness import FAILED, PAYLOAD, Case, Raises, Returns, branch, check, ending, pass_, task


def parallel(*branches, **fields):
    return ending({"Type": "Parallel", "Branches": list(branches), **fields})


ONE = branch(a=pass_(Output="{% $states.input + 1 %}"))
TWO = branch(b=pass_(Output="{% $states.input + 2 %}"))
TASKS = "TaskStateEntered TaskScheduled TaskStarted"

CASES = [
    Case(
        "the outputs of the branches in their order",
        {"p": parallel(ONE, TWO)},
        input=1,
        output=[2, 3],
        events="ParallelStateEntered ParallelStateStarted PassStateEntered PassStateExited PassStateEntered "
        "PassStateExited ParallelStateSucceeded ParallelStateExited",
    ),
    Case(
        "Arguments are the branches' input",
        {"p": parallel(ONE, Arguments="{% $states.input.n %}")},
        {"n": 5},
        output=[6],
    ),
    Case("Output reads the result", {"p": parallel(ONE, TWO, Output="{% $sum($states.result) %}")}, 1, output=5),
    Case(
        "Assign reads the result",
        {"p": parallel(ONE, TWO, Assign={"r": "{% $states.result[1] %}"}, Next="q"), "q": pass_(Output="{% $r %}")},
        input=1,
        output=3,
    ),
    Case(
        "the slowest branch counts",
        {"p": parallel(branch(s=task(Output=PAYLOAD)), branch(q=task(Output=PAYLOAD)))},
        tasks={"s": [Returns("slow", 9)], "q": [Returns("quick", 1)]},
        output=["slow", "quick"],
        seconds=9,
    ),
    Case(
        "a failing branch aborts the others",
        {"p": parallel(branch(s=task()), branch(f=task()), branch(w=ending({"Type": "Wait", "Seconds": 9})))},
        tasks={"s": [Returns(seconds=9)], "f": [Raises("Bad", "b", 1)]},
        status=FAILED,
        error="Bad",
        cause="b",
        seconds=1,
        events=f"ParallelStateEntered ParallelStateStarted {TASKS} {TASKS} WaitStateEntered TaskFailed "
        "TaskStateAborted TaskStateAborted WaitStateAborted ParallelStateFailed",
    ),
    Case(
        "two branches that fail at the same moment: the first is the failure",
        {"p": parallel(branch(s=task()), branch(f=task()))},
        tasks={"s": [Raises("First", "1", 1)], "f": [Raises("Second", "2", 1)]},
        status=FAILED,
        error="First",
        events=f"ParallelStateEntered ParallelStateStarted {TASKS} {TASKS} TaskFailed TaskStateAborted "
        "TaskStateAborted ParallelStateFailed",
    ),
    Case(
        "a Fail state in a branch",
        {"p": parallel(branch(f={"Type": "Fail", "Error": "Mine", "Cause": "c"}), branch(s=task()))},
        tasks={"s": [Returns(seconds=9)]},
        status=FAILED,
        error="Mine",
        cause="c",
    ),
    Case(
        "Catch on the Parallel",
        {
            "p": parallel(
                branch(f={"Type": "Fail", "Error": "Mine"}), Catch=[{"ErrorEquals": ["Mine"], "Next": "h"}], Next="h"
            ),
            "h": pass_(),
        },
        output={"Error": "Mine", "Cause": ""},
        events="ParallelStateEntered ParallelStateStarted FailStateEntered ParallelStateFailed ParallelStateExited "
        "PassStateEntered PassStateExited",
    ),
    Case(
        "Retry on the Parallel starts every branch again",
        {"p": parallel(branch(t=task()), branch(f=task()), Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 1}])},
        tasks={"t": [Returns(1, 5)], "f": [Raises("Bad", "b", 1)]},
        status=FAILED,
        error="Bad",
        calls=["t", "f", "t", "f"],
        seconds=3,
    ),
    Case(
        "a retried Parallel that fails again",
        {"p": parallel(branch(f=task()), Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 1}])},
        tasks={"f": [Raises("Bad", "b")]},
        status=FAILED,
        error="Bad",
        seconds=1,
        calls=["f", "f"],
        events="ParallelStateEntered "
        + " ".join([f"ParallelStateStarted {TASKS} TaskFailed TaskStateAborted ParallelStateFailed"] * 2),
    ),
    Case(
        "Succeed ends its branch only",
        {"p": parallel(branch(s={"Type": "Succeed", "Output": 1}), TWO, Next="e"), "e": pass_()},
        input=1,
        output=[1, 3],
    ),
    Case(
        "nested",
        {"p": parallel(branch(q=parallel(ONE, branch(d=pass_(Output=0)))), TWO)},
        input=1,
        output=[[2, 0], 3],
    ),
    Case(
        "a failure deep inside ends at the top",
        {
            "p": parallel(
                branch(q=parallel(branch(f={"Type": "Fail", "Error": "Deep"}), branch(t=task()))), branch(u=task())
            )
        },
        tasks={"t": [Returns(seconds=9)], "u": [Returns(seconds=9)]},
        status=FAILED,
        error="Deep",
    ),
    Case(
        "a branch reads outer variables",
        {"v": pass_(Assign={"x": 3}, Next="p"), "p": parallel(branch(r=pass_(Output="{% $x %}")))},
        output=[3],
    ),
    Case(
        "a branch's variables end with it",
        {
            "p": parallel(branch(r=pass_(Assign={"y": 3})), Next="q"),
            "q": pass_(Output="{% $exists($y) %}"),
        },
        output=False,
    ),
    Case(
        "branches do not see each other's variables",
        {
            "p": parallel(
                branch(r=pass_(Assign={"z": 1}, Next="r2"), r2=pass_(Output="{% $z %}")),
                branch(s=pass_(Assign={"z": 2}, Next="s2"), s2=pass_(Output="{% $z %}")),
                branch(u=pass_(Output="{% $exists($z) %}")),
            )
        },
        output=[1, 2, False],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_parallel(case: Case):
    check(case)


def test_the_tasks_of_aborted_branches_are_cancelled():
    run = check(next(case for case in CASES if case.name == "a failing branch aborts the others"))

    assert run.runner.cancelled == ["s"]
