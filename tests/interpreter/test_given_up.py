"""Work whose answer comes in the same moment as the failure that gave it up."""

import pytest

from tests.interpreter.harness import PAYLOAD, Case, Raises, Returns, branch, check, pass_, task

CAUGHT = [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "after"}]


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_sibling_that_succeeds_at_once_with_the_failure_is_given_up(seconds):
    """Its success was taken in all the same, and what follows it ran on in a branch that was aborted."""
    states = {
        "both": {
            "Type": "Parallel",
            "Branches": [branch(bad=task()), branch(good=task(Next="more"), more=task())],
            "Catch": CAUGHT,
            "End": True,
        },
        "after": task(Output="{% $states.input %}"),
    }
    tasks = {
        "bad": [Raises("Boom", seconds=seconds)],
        "good": [Returns(1, seconds)],
        "more": [Returns(2)],
        "after": [Returns()],
    }

    check(Case("at once", states, tasks=tasks, output="Boom", calls=["bad", "good", "after"]))


def test_an_iteration_that_succeeds_at_once_with_the_failure_is_given_up():
    states = {
        "each": {
            "Type": "Map",
            "Items": [0, 1],
            "ItemProcessor": branch(
                call=task("{% $states.input %}", Output=PAYLOAD, Next="read"),
                read=pass_(Output="{% $states.context.Map.Item.Index %}"),
            ),
            "Catch": CAUGHT,
            "End": True,
        },
        "after": task(Output="{% $states.input %}"),
    }

    def answer(payload, _):
        return Raises("Boom") if payload == 0 else Returns(payload)

    run = check(Case("at once", states, tasks={"call": answer, "after": [Returns()]}, output="Boom"))

    assert "read" not in [event.details.get("name") for event in run.journal.events]
