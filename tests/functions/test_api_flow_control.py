"""Flow control through the API: what definitions may say, what arrivals are answered, and the simulation."""

from typing import Any

import pytest

from shared.ids import new_id
from tests.functions.conftest import Doors, assert_problem, definition


async def flowing(doors: Doors, **control: Any) -> dict[str, Any]:
    return await doors.workflow(name=f"w-{new_id()}", settings={"flow_control": control})


async def simulated(doors: Doors, workflow: dict[str, Any], *arrivals: dict[str, Any], **body: Any) -> dict[str, Any]:
    path = f"/api/workflows/{workflow['id']}/flow-control/simulate"
    answer = await doors.api.post(path, json={"arrivals": list(arrivals), **body})
    return answer.raise_for_status().json()


def at(second: float, **fields: Any) -> dict[str, Any]:
    return {"at": f"2026-11-23T09:00:{second:06.3f}Z", **fields}


def lines(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What happens: second, id, action."""
    return [(each["at"][17:19], each["id"], each["action"]) for each in answer["timeline"]]


@pytest.mark.parametrize(
    ("control", "word"),
    [
        ({"key": "$input.customer"}, "not an expression"),
        ({"key": "{% $input. %}"}, "does not compile"),
        ({"key": "{% $execution.id %}"}, "it may read $input"),
        ({"concurrency": {"limit": 0}}, "greater than or equal to 1"),
        ({"throttle": {"limit": 1}}, "period_seconds"),
        ({"debounce": {"period_seconds": 5}, "batch": {"max_size": 2, "max_wait_seconds": 5}}, "one of 'debounce'"),
        ({"bach": {}}, "bach"),
    ],
)
async def test_settings_with_mistakes_are_refused(doors: Doors, control: dict[str, Any], word: str):
    answer = await doors.api.post("/api/workflows", json=definition(settings={"flow_control": control}))

    assert word in str(assert_problem(answer, 422, "definition.invalid")["diagnostics"])


async def test_a_simulation_of_concurrency_by_key(doors: Doors):
    workflow = await flowing(doors, key="{% $input %}", concurrency={"limit": 1})

    answer = await simulated(
        doors,
        workflow,
        at(0, input="ada", duration_seconds=10),
        at(1, input="ada"),
        at(2, input="bob"),
    )

    assert lines(answer) == [
        ("00", "1", "begun"),
        ("01", "2", "waiting"),
        ("02", "3", "begun"),
        ("03", "3", "ended"),
        ("10", "1", "ended"),
        ("10", "2", "begun"),
        ("11", "2", "ended"),
    ]
    assert answer["summary"] == {
        "arrivals": 3,
        "executions": 3,
        "merged": 0,
        "refused": 0,
        "duplicates": 0,
        "failed": 0,
        "most_running": 2,
        "longest_wait_seconds": 9.0,
    }


async def test_other_settings_can_be_tried_before_they_are_published(doors: Doors):
    workflow = await flowing(doors)
    control = {"debounce": {"period_seconds": 5}, "rate_limit": {"limit": 2, "period_seconds": 30}}

    answer = await simulated(doors, workflow, at(0), at(4), at(8), flow_control=control)

    assert lines(answer) == [
        ("00", "1", "held"),
        ("04", "2", "merged"),
        ("08", "3", "refused"),
        ("09", "1", "begun"),
        ("10", "1", "ended"),
    ]
    assert answer["timeline"][1]["into"] == "1"
    assert answer["timeline"][2]["until"] == "2026-11-23T09:00:30.000Z"


async def test_what_the_expressions_say_is_shown(doors: Doors):
    workflow = await flowing(doors, idempotency_key="{% $input.order %}", priority="{% $input.urgency %}")

    answer = await simulated(
        doors,
        workflow,
        at(0, input={"order": 1, "urgency": "low"}),
        at(1, input={"order": 1, "urgency": "low"}),
        at(2, input={"order": 2, "urgency": "now"}),
    )

    actions = {each["id"]: each for each in answer["timeline"] if each["action"] not in ("begun", "ended")}
    assert (actions["2"]["action"], actions["2"]["into"]) == ("duplicate", "1")
    assert (actions["3"]["action"], "gives 'now'" in actions["3"]["reason"]) == ("failed", True)


async def test_a_simulation_that_cannot_be_is_refused(doors: Doors):
    workflow = await flowing(doors)
    path = f"/api/workflows/{workflow['id']}/flow-control/simulate"

    twice = await doors.api.post(path, json={"arrivals": [at(0, id="a"), at(1, id="a")]})
    none = await doors.api.post(path, json={"arrivals": []})

    assert "the id 'a'" in assert_problem(twice, 422, "request.parameter_invalid")["detail"]
    assert none.status_code == 422


async def test_an_input_on_which_the_key_fails_is_refused(doors: Doors):
    workflow = await flowing(doors, key="{% $input.customer %}", concurrency={"limit": 1})

    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json={"input": {}})

    assert "flow_control.key" in assert_problem(answer, 422, "flow.expression_failed")["detail"]
