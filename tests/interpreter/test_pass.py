"""Pass and Succeed. Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-pass.html"""

import pytest

from tests.interpreter.harness import FAILED, Case, check, pass_

CASES = [
    Case(
        "without Output the input passes",
        {"a": pass_()},
        input={"x": [1, None]},
        output={"x": [1, None]},
        events="PassStateEntered PassStateExited",
    ),
    Case("Output is any JSON", {"a": pass_(Output={"n": 1, "l": [True, None]})}, output={"n": 1, "l": [True, None]}),
    Case("Output is one expression", {"a": pass_(Output="{% $states.input.x + 1 %}")}, input={"x": 1}, output=2),
    Case(
        "expressions at any depth",
        {"a": pass_(Output={"l": [{"v": "{% $states.input.x %}"}, 5], "k": {"m": "{% 'a' & 'b' %}"}})},
        input={"x": 7},
        output={"l": [{"v": 7}, 5], "k": {"m": "ab"}},
    ),
    Case(
        "text that is no expression stays text",
        {"a": pass_(Output=[" {% 1 %}", "$states.input", "{{ x }}", "{% 1 %} ", "$.x"])},
        output=[" {% 1 %}", "$states.input", "{{ x }}", "{% 1 %} ", "$.x"],
    ),
    Case("null is a value", {"a": pass_(Output={"v": "{% $states.input.x %}"})}, {"x": None}, output={"v": None}),
    Case("false is a value", {"a": pass_(Output="{% 1 > 2 %}")}, output=False),
    Case(
        "the output is the next input",
        {"a": pass_(Output=[1], Next="b"), "b": pass_(Output="{% $append($states.input, 2) %}")},
        output=[1, 2],
        events="PassStateEntered PassStateExited PassStateEntered PassStateExited",
    ),
    Case(
        "an expression that yields nothing fails the state",
        {"a": pass_(Output={"ticket": {"ids": [1, "{% $states.input.absent %}"]}})},
        status=FAILED,
        error="States.QueryEvaluationError",
        cause="An error occurred while executing the state 'a' (entered at the event id #2). The JSONata expression "
        "'$states.input.absent' specified for the field 'Output/ticket/ids[1]' returned nothing (undefined).",
        events="PassStateEntered EvaluationFailed",
    ),
    Case(
        "an expression that fails fails the state",
        {"a": pass_(Output="{% 1 + $states.input.x %}")},
        input={"x": "y"},
        status=FAILED,
        error="States.QueryEvaluationError",
        events="PassStateEntered EvaluationFailed",
    ),
    Case(
        "Succeed ends the execution",
        {"a": {"Type": "Succeed"}},
        input=3,
        output=3,
        events="SucceedStateEntered SucceedStateExited",
    ),
    Case(
        "Succeed has an Output",
        {"a": {"Type": "Succeed", "Output": {"r": "{% $states.input * 2 %}"}}},
        input=4,
        output={"r": 8},
    ),
    Case(
        "the context says who and when",
        {
            "a": pass_(
                Output="{% [$states.context.Execution.Name, $states.context.Execution.StartTime, "
                "$states.context.State.Name, $states.context.State.EnteredTime, "
                "$states.context.StateMachine.Name, $exists($states.context.State.RetryCount)] %}"
            )
        },
        output=[
            "0198f0e0-0000-7000-8000-000000000001",
            "2026-01-01T00:00:00.000Z",
            "a",
            "2026-01-01T00:00:00.000Z",
            "flow",
            False,
        ],
    ),
    Case(
        "the execution's input stays in the context",
        {"a": pass_(Output=1, Next="b"), "b": pass_(Output="{% $states.context.Execution.Input.x %}")},
        input={"x": 9},
        output=9,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pass_and_succeed(case: Case):
    check(case)
