"""The payload limit: 256 KiB for each input, output, argument, result and variable; 10 MiB for all variables.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html and
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html. Failures that no event of Step Functions
tells of must be known after a restart all the same, so the scenarios are cut like all others.
"""

import pytest

from tests.interpreter.harness import FAILED, PAYLOAD, Case, Returns, branch, check, ending, pass_, task

LIMIT = 262_144
DATA = "States.DataLimitExceeded"
BIG = "{% $pad('', 262143, 'x') %}"
"""With its quotes one byte too many."""
FITS = "{% $pad('', 262142, 'x') %}"
CATCH = [{"ErrorEquals": [DATA], "Next": "h", "Output": "caught"}]
HANDLER = {"h": pass_()}

CASES = [
    Case(
        "an input above the limit",
        {"a": pass_(Output=1)},
        input="x" * LIMIT,
        status=FAILED,
        error=DATA,
        events="",
    ),
    Case("an input at the limit", {"a": pass_(Output=1)}, input="x" * (LIMIT - 2), output=1),
    Case(
        "bytes of an input count, not characters", {"a": pass_()}, input="ü" * (LIMIT // 2), status=FAILED, error=DATA
    ),
    Case("an output at the limit", {"a": pass_(Output=FITS, Next="b"), "b": pass_(Output=1)}, output=1),
    Case("an output above it", {"a": pass_(Output=BIG)}, status=FAILED, error=DATA, events="PassStateEntered"),
    Case("a variable at the limit", {"a": pass_(Assign={"v": FITS}, Output=1)}, output=1),
    Case("a variable above it", {"a": pass_(Assign={"v": BIG})}, status=FAILED, error=DATA, events="PassStateEntered"),
    Case(
        "the variables of one state together",
        {"a": pass_(Assign={"v": "{% $pad('', 131072, 'x') %}", "w": "{% $pad('', 131072, 'x') %}"})},
        status=FAILED,
        error=DATA,
    ),
    Case(
        "a Task that catches the limit of its Arguments",
        {"a": task(BIG, Catch=CATCH, Next="h"), **HANDLER},
        output="caught",
        calls=[],
        events="TaskStateEntered TaskStateExited PassStateEntered PassStateExited",
    ),
    Case(
        "a Task that catches the limit of its Output",
        {"a": task(Output=BIG, Catch=CATCH, Next="h"), **HANDLER},
        tasks={"a": [Returns()]},
        output="caught",
        calls=["a"],
    ),
    Case(
        "a Task that catches the limit of its result",
        {"a": task(Output=PAYLOAD, Catch=CATCH, Next="h"), **HANDLER},
        tasks={"a": [Returns("x" * LIMIT)]},
        output="caught",
    ),
    Case(
        "a branch that fails by the limit",
        {"p": ending({"Type": "Parallel", "Branches": [branch(a=pass_(Output=BIG)), branch(t=task())]})},
        tasks={"t": [Returns(seconds=9)]},
        status=FAILED,
        error=DATA,
    ),
    Case(
        "a branch deep inside, caught outside",
        {
            "p": {
                "Type": "Parallel",
                "Branches": [branch(q=ending({"Type": "Parallel", "Branches": [branch(a=pass_(Output=BIG))]}))],
                "Catch": CATCH,
                "Next": "h",
            },
            **HANDLER,
        },
        output="caught",
    ),
    Case(
        "an iteration that chooses nothing",
        {
            "m": ending(
                {
                    "Type": "Map",
                    "Items": [1],
                    "ItemProcessor": branch(
                        c={"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "x"}]}, x=pass_()
                    ),
                }
            )
        },
        status=FAILED,
        error="States.Runtime",
    ),
    Case(
        "an ItemSelector above the limit",
        {"m": ending({"Type": "Map", "Items": [1], "ItemSelector": BIG, "ItemProcessor": branch(i=pass_())})},
        status=FAILED,
        error=DATA,
    ),
    Case(
        "Arguments of a Parallel above the limit",
        {"p": ending({"Type": "Parallel", "Arguments": BIG, "Branches": [branch(i=pass_())]})},
        status=FAILED,
        error=DATA,
    ),
    Case(
        "a Wait whose Output fails after it has waited",
        {"w": ending({"Type": "Wait", "Seconds": 5, "Output": "{% $states.input.no %}"})},
        status=FAILED,
        error="States.QueryEvaluationError",
        seconds=5,
        events="WaitStateEntered EvaluationFailed",
    ),
    Case(
        "a Parallel and a Map know how often they were tried",
        {
            "p": ending(
                {
                    "Type": "Parallel",
                    "Arguments": "{% $states.context.State.RetryCount %}",
                    "Branches": [branch(t=task("{% $states.input %}", Output=PAYLOAD))],
                    "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}],
                    "Output": "{% $states.result[0] < 2 ? $states.result.no : $states.result %}",
                }
            )
        },
        tasks={"t": lambda payload, _: Returns(payload)},
        output=[2],
    ),
]


HEAVY = [
    Case(
        "all variables of the execution",
        {
            "i": pass_(Assign={"n": 0}, Next="c"),
            **{f"v{i}": pass_(Assign={f"v{i}": "{% $pad('', 262000, 'x') %}"}, Next=f"v{i + 1}") for i in range(41)},
            "c": pass_(Next="v0"),
            "v41": pass_(Output=1),
        },
        status=FAILED,
        error=DATA,
        cause="The variables of the execution exceed the maximum of 10485760 bytes.",
    ),
    Case(
        "a variable that is assigned again counts once",
        {
            "i": pass_(Assign={"n": 0}, Next="v"),
            "v": pass_(Assign={"v": "{% $pad('', 262000, 'x') %}", "n": "{% $n + 1 %}"}, Next="c"),
            "c": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $n < 60 %}", "Next": "v"}],
                "Default": "e",
            },
            "e": pass_(Output="{% $n %}"),
        },
        output=60,
    ),
    Case(
        "variables of a branch end with it",
        {
            "m": ending(
                {
                    "Type": "Map",
                    "Items": list(range(60)),
                    "MaxConcurrency": 1,
                    "ItemProcessor": branch(i=pass_(Assign={"v": "{% $pad('', 262000, 'x') %}"}, Output=1)),
                    "Output": "{% $sum($states.result) %}",
                }
            )
        },
        output=60,
    ),
]
"""Not cut at every event: each would be read again hundreds of times."""


@pytest.mark.parametrize("case", [*CASES, *HEAVY], ids=lambda case: case.name)
def test_limits(case: Case):
    check(case)
