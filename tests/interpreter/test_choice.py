"""Choice and Fail. Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html"""

import pytest

from tests.interpreter.harness import FAILED, Case, check, pass_


def choice(*rules: tuple[str, str], default: str | None = "d", **fields):
    found = {"Type": "Choice", "Choices": [{"Condition": rule, "Next": target} for rule, target in rules], **fields}
    return {**found, "Default": default} if default else found


TARGETS = {"x": pass_(Output="{% ['x', $states.input] %}"), "d": pass_(Output="{% ['d', $states.input] %}")}
STEPS = "ChoiceStateEntered ChoiceStateExited PassStateEntered PassStateExited"

CASES = [
    Case(
        "the first rule that is true",
        {"c": choice(("{% false %}", "d"), ("{% $states.input > 1 %}", "x"), ("{% true %}", "d")), **TARGETS},
        input=2,
        output=["x", 2],
        events=STEPS,
    ),
    Case(
        "the Default",
        {"c": choice(("{% $states.input > 1 %}", "x")), **TARGETS},
        input=1,
        output=["d", 1],
        events=STEPS,
    ),
    Case("a literal condition", {"c": choice((True, "x")), **TARGETS}, input=1, output=["x", 1]),
    Case(
        "no rule and no Default",
        {"c": choice(("{% false %}", "x"), default=None), "x": TARGETS["x"]},
        status=FAILED,
        error="States.Runtime",
        cause="An error occurred while executing the state 'c' (entered at the event id #2). "
        "Failed to transition out of the state. The state does not point to a next state.",
        events="ChoiceStateEntered",
    ),
    Case(
        "a condition that is no boolean",
        {"c": choice(("{% false %}", "d"), ("{% 'yes' %}", "x")), **TARGETS},
        status=FAILED,
        error="States.QueryEvaluationError",
        cause="An error occurred while executing the state 'c' (entered at the event id #2). The JSONata expression "
        "''yes'' specified for the field 'Choices[1]/Condition' returned an unexpected result type. "
        "Expected 'boolean', but was 'string'.",
        events="ChoiceStateEntered EvaluationFailed",
    ),
    Case(
        "a condition that yields nothing",
        {"c": choice(("{% $states.input.no %}", "x")), **TARGETS},
        status=FAILED,
        error="States.QueryEvaluationError",
    ),
    Case(
        "a later rule is not evaluated",
        {"c": choice(("{% true %}", "x"), ("{% $error('never') %}", "d")), **TARGETS},
        input=0,
        output=["x", 0],
    ),
    Case(
        "a rule's Output and Assign",
        {
            "c": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% true %}", "Next": "x", "Output": {"o": 1}, "Assign": {"v": "{% $states.input %}"}}
                ],
                "Default": "d",
                "Output": "not this",
                "Assign": {"v": "not this"},
            },
            "x": pass_(Output="{% [$v, $states.input.o] %}"),
            "d": pass_(Output="{% $v %}"),
        },
        input=5,
        output=[5, 1],
    ),
    Case(
        "a rule without Output passes the input, whatever the state's Output",
        {"c": choice(("{% true %}", "x"), Output="not this"), **TARGETS},
        input=6,
        output=["x", 6],
    ),
    Case(
        "the Default goes with the state's Output and Assign",
        {
            "c": choice(("{% false %}", "x"), Output={"o": 2}, Assign={"v": 3}),
            "x": pass_(),
            "d": pass_(Output="{% [$v, $states.input.o] %}"),
        },
        output=[3, 2],
    ),
    Case(
        "a loop",
        {
            "i": pass_(Assign={"n": 0}, Next="c"),
            "c": choice(("{% $n >= 3 %}", "e"), default="b"),
            "b": pass_(Assign={"n": "{% $n + 1 %}"}, Next="c"),
            "e": pass_(Output="{% $n %}"),
        },
        output=3,
    ),
    Case(
        "Fail with an error and a cause",
        {"f": {"Type": "Fail", "Error": "Mine", "Cause": "Because."}},
        status=FAILED,
        error="Mine",
        cause="Because.",
        events="FailStateEntered",
    ),
    Case(
        "Fail with expressions",
        {"f": {"Type": "Fail", "Error": "{% 'E' & $states.input %}", "Cause": "{% 'c' & $states.input %}"}},
        input=1,
        status=FAILED,
        error="E1",
        cause="c1",
    ),
    Case("Fail with nothing", {"f": {"Type": "Fail"}}, status=FAILED, error="", cause=""),
    Case(
        "Fail with an expression that gives no text",
        {"f": {"Type": "Fail", "Error": "{% 1 %}"}},
        status=FAILED,
        error="States.QueryEvaluationError",
        events="FailStateEntered EvaluationFailed",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_choice_and_fail(case: Case):
    check(case)
