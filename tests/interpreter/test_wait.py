"""Wait. Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""

import pytest

from tests.interpreter.harness import FAILED, TIMED_OUT, Case, check, ending, pass_


def wait(**fields):
    return ending({"Type": "Wait", **fields})


EVENTS = "WaitStateEntered WaitStateExited"

CASES = [
    Case("Seconds", {"w": wait(Seconds=90)}, input=1, output=1, seconds=90, events=EVENTS),
    Case(
        "Seconds as an expression", {"w": wait(Seconds="{% $states.input.s %}")}, {"s": 5}, output={"s": 5}, seconds=5
    ),
    Case("no time at all", {"w": wait(Seconds=0)}, output={}, seconds=0, events=EVENTS),
    Case("days", {"w": wait(Seconds=864_000)}, output={}, seconds=864_000),
    Case("Timestamp", {"w": wait(Timestamp="2026-01-01T00:01:00Z")}, output={}, seconds=60, events=EVENTS),
    Case("Timestamp with an offset", {"w": wait(Timestamp="2026-01-01T02:01:00+02:00")}, output={}, seconds=60),
    Case(
        "Timestamp as an expression",
        {"w": wait(Timestamp="{% $states.input %}")},
        input="2026-01-01T00:00:30.500Z",
        output="2026-01-01T00:00:30.500Z",
        seconds=30.5,
    ),
    Case("a Timestamp in the past", {"w": wait(Timestamp="2020-01-01T00:00:00Z")}, output={}, seconds=0),
    Case(
        "Output and Assign",
        {"w": wait(Seconds=1, Output="o", Assign={"v": 2}, Next="p"), "p": pass_(Output="{% [$v, $states.input] %}")},
        output=[2, "o"],
    ),
    Case(
        "no timestamp",
        {"w": wait(Timestamp="{% 'soon' %}")},
        status=FAILED,
        error="States.Runtime",
        events="WaitStateEntered",
    ),
    Case(
        "Seconds of another type",
        {"w": wait(Seconds="{% '5' %}")},
        status=FAILED,
        error="States.QueryEvaluationError",
        events="WaitStateEntered EvaluationFailed",
    ),
    Case(
        "an Assign that fails when the time is over",
        {"w": wait(Seconds=1, Assign={"v": "{% $states.input.nothing %}"})},
        status=FAILED,
        error="States.QueryEvaluationError",
        seconds=1,
        events="WaitStateEntered EvaluationFailed",
    ),
    Case(
        "the execution's time-out cuts a wait",
        {"w": wait(Seconds=90)},
        timeout=10,
        status=TIMED_OUT,
        error="States.Timeout",
        cause="",
        seconds=10,
        events="WaitStateEntered",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wait(case: Case):
    check(case)
