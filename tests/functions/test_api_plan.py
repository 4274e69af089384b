"""GET /api/workflows/{id}/plan."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.executions.records import ExecutionStatus, HistoryEvent, StatusChange
from shared.ids import new_id
from tests.functions.conftest import assert_problem

NODES = [
    {"id": "ask", "type": "webhook", "config": {"url": "https://example.com/"}},
    {"id": "total", "type": "transform", "config": {"output": "{% $ask.status %}"}},
]
LINE: dict[str, Any] = {
    "settings": {},
    "nodes": NODES,
    "edges": [{"from": "ask", "to": "total"}],
    "output": "{% $total %}",
}
BEGAN = datetime(2026, 11, 23, tzinfo=UTC)


def history(attempts: int) -> list[HistoryEvent]:
    """A run whose call was made so many times, each for two seconds."""
    task = {"resourceType": "lambda", "resource": "invoke"}
    call = {**task, "parameters": '{"FunctionName":"${HttpFunctionArn}","Payload":{}}'}
    kinds: list[tuple[str, dict[str, Any], int]] = [
        ("ExecutionStarted", {}, 0),
        ("TaskStateEntered", {"name": "ask"}, 0),
    ]
    for number in range(1, attempts + 1):
        ended = ("TaskSucceeded", {**task, "output": "{}"}) if number == attempts else ("TaskFailed", {"error": "x"})
        kinds += [("TaskScheduled", call, 0), ("TaskStarted", task, 0), (*ended, 2)]
    kinds += [("TaskStateExited", {"name": "ask"}, 0), ("SucceedStateEntered", {"name": "execution.output"}, 0)]
    kinds += [("SucceedStateExited", {"name": "execution.output"}, 0), ("ExecutionSucceeded", {"output": "200"}, 0)]
    events, at = [], BEGAN
    for index, (kind, details, seconds) in enumerate(kinds, start=1):
        at += timedelta(seconds=seconds)
        events.append(HistoryEvent(index, index - 1, kind, at, details))
    return events


async def ran(doors, workflow: dict[str, Any], events: list[HistoryEvent]) -> None:
    """An execution that has ended, with this history."""
    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json={"input": {}})
    execution_id = answer.raise_for_status().json()["execution_id"]
    change = StatusChange(ExecutionStatus.SUCCEEDED, events[-1].timestamp, result=200)
    await doors.stores.journal.write(execution_id, workflow["project_id"], events, change)


async def plan_of(doors, workflow: dict[str, Any], query: str = "") -> dict[str, Any]:
    return (await doors.api.get(f"/api/workflows/{workflow['id']}/plan{query}")).raise_for_status().json()


async def test_a_plan_says_what_a_version_takes(doors):
    plan = await plan_of(doors, await doors.workflow(name="line", **LINE))

    assert (plan["workflow"], plan["version"], plan["mode"]) == ("line", 1, "durable")
    assert plan["best"]["transitions"] == 3
    assert plan["worst"]["lambda_calls"] == {"http": 3}
    assert plan["worst_without_retries"]["dollars"]["step_functions"] == pytest.approx(3 * 0.000025)
    assert plan["fused"] == [{"state": "ask", "nodes": ["ask", "total"]}]
    assert plan["expected"] is None
    assert {price["source"].split("/")[2] for price in plan["prices"].values()} == {"aws.amazon.com"}


async def test_what_is_expected_is_the_mean_of_recorded_runs(doors):
    workflow = await doors.workflow(name="line", **LINE)
    for attempts in (1, 3):
        await ran(doors, workflow, history(attempts))
    await doors.api.post(f"/api/workflows/{workflow['id']}/execute")  # has not ended: is not counted

    expected = (await plan_of(doors, workflow))["expected"]

    assert expected["executions"] == 2
    spend = expected["spend"]
    assert (spend["transitions"], spend["lambda_calls"], spend["seconds"]) == (4, {"http": 2}, 4.0)
    assert spend["gb_seconds"] == pytest.approx(0.5 * 4)
    assert spend["events"] == (len(history(1)) + len(history(3))) / 2


async def test_runs_of_an_earlier_version_are_not_counted(doors):
    workflow = await doors.workflow(name="line", **LINE)
    await ran(doors, workflow, history(1))
    changed = {"name": "line", **LINE, "output": "{% $total + 1 %}"}
    (await doors.api.put(f"/api/workflows/{workflow['id']}", json=changed)).raise_for_status()

    plan = await plan_of(doors, workflow)

    assert (plan["version"], plan["expected"]) == (2, None)


async def test_a_length_can_be_assumed(doors):
    body = {"nodes": [{**NODES[0], "retry": {"max_attempts": 1}}]}
    loop = {"id": "every", "type": "loop", "config": {"kind": "for_each", "items": "{% $input %}", "body": body}}
    workflow = await doors.workflow(name="every", nodes=[loop], edges=[], output=None)

    assert (await plan_of(doors, workflow))["worst"]["lambda_calls"] == {"http": None}
    assert (await plan_of(doors, workflow))["unbounded"] == ["every"]
    assert (await plan_of(doors, workflow, "?items=7"))["worst"]["lambda_calls"] == {"http": 7}


async def test_without_a_workflow_there_is_no_plan(doors):
    assert_problem(await doors.api.get(f"/api/workflows/{new_id()}/plan"), 404, "resource.not_found")
    workflow = await doors.workflow()
    assert_problem(
        await doors.api.get(f"/api/workflows/{workflow['id']}/plan?items=-1"), 422, "request.parameter_invalid"
    )
