"""Starting, reading, and cancelling executions through the REST API."""

import pytest

from shared.executions.records import ExecutionStatus, StatusChange
from shared.ids import is_id
from tests.functions.conftest import SCHEMA, UNKNOWN_ID, assert_problem
from tests.support.history import History


@pytest.fixture
async def workflow(doors):
    return await doors.workflow(input_schema=SCHEMA)


GOOD = {"input": {"body": {"who": "world"}}}


async def test_execute_answers_at_once_and_keeps_what_started_it(doors, workflow):
    answer = await doors.api.post(
        f"/api/workflows/{workflow['id']}/execute", json=GOOD, headers={"X-Correlation-Id": "order-7"}
    )
    started = answer.json()

    assert answer.status_code == 202
    assert (started["status"], started["duplicate"]) == ("queued", False)
    assert is_id(started["execution_id"])
    assert answer.headers["x-correlation-id"] == "order-7"
    execution = (await doors.api.get(answer.headers["location"])).json()
    assert execution["id"] == started["execution_id"]
    assert (execution["status"], execution["input"], execution["version"]) == ("queued", GOOD["input"], 1)
    assert (execution["correlation_id"], execution["trigger"]) == ("order-7", {"type": "manual"})
    assert [(n["node"], n["status"]) for n in execution["nodes"]] == [("hello", "pending")]


async def test_the_same_key_starts_nothing_twice(doors, workflow):
    path, key = f"/api/workflows/{workflow['id']}/execute", {"Idempotency-Key": "k-1"}
    first = (await doors.api.post(path, json=GOOD, headers=key)).json()
    again = (await doors.api.post(path, json=GOOD, headers=key)).json()
    other = await doors.api.post(path, json={"input": {"body": {"who": "you"}}}, headers=key)

    assert again == {"execution_id": first["execution_id"], "status": "queued", "duplicate": True}
    assert_problem(other, 409, "request.idempotency_mismatch")
    assert len(await doors.executions(workflow["id"])) == 1


async def test_without_a_key_each_call_starts_one(doors, workflow):
    for _ in range(2):
        await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json=GOOD)

    assert len(await doors.executions(workflow["id"])) == 2


async def test_a_body_may_be_left_out(doors):
    workflow = await doors.workflow(name="no-input")

    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/execute")

    assert answer.status_code == 202
    assert (await doors.api.get(answer.headers["location"])).json()["input"] == {}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"input": {"body": {}}}', 422, "input.invalid"),
        (b'{"input": 7}', 422, "input.invalid"),
        (b'{"input": {}, "inptu": 1}', 422, "request.parameter_invalid"),
        (b"[]", 422, "request.parameter_invalid"),
        (b'{"input": ', 400, "request.malformed"),
        (b'{"input": NaN}', 400, "request.malformed"),
        (b'{"input": "' + b"x" * 1024 * 1024 + b'"}', 413, "request.too_large"),
    ],
)
async def test_refusals_leave_nothing_behind(doors, workflow, content, status, code):
    answer = await doors.api.post(
        f"/api/workflows/{workflow['id']}/execute", content=content, headers={"Content-Type": "application/json"}
    )

    problem = assert_problem(answer, status, code)
    if code == "input.invalid":
        assert problem["diagnostics"][0]["path"].startswith("input")
    assert await doors.executions(workflow["id"]) == []


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 201, "ü"])
async def test_bad_idempotency_keys(doors, workflow, key):
    headers = {"Idempotency-Key": key.encode()}
    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json=GOOD, headers=headers)

    assert_problem(answer, 422, "request.parameter_invalid")
    assert await doors.executions(workflow["id"]) == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [("pause", 409, "workflow.inactive"), ("delete", 410, "resource.deleted"), ("draft", 409, "workflow.inactive")],
)
async def test_only_active_workflows_start(doors, change, status, code):
    workflow = await doors.workflow(active=change != "draft")
    path = f"/api/workflows/{workflow['id']}"
    if change == "pause":
        await doors.api.post(f"{path}/pause")
    elif change == "delete":
        await doors.api.delete(path)

    assert_problem(await doors.api.post(f"{path}/execute", json=GOOD), status, code)
    assert await doors.executions(workflow["id"]) == []


async def test_a_finished_execution_tells_everything(doors, workflow):
    execution_id = await finished(doors, workflow)

    execution = (await doors.api.get(f"/api/executions/{execution_id}")).json()

    (node,) = execution["nodes"]
    assert (execution["status"], execution["output"], execution["error"]) == ("succeeded", {"hi": 1}, None)
    assert execution["duration_ms"] >= 0
    assert (node["node"], node["status"], node["attempts"], node["output"]) == ("hello", "succeeded", 2, {"hi": 1})
    assert node["input"] == {"url": "u"}
    assert node["meta"] == {"status": 200}
    assert node["started_at"].endswith("Z")
    assert node["duration_ms"] > 0


async def test_logs_are_filtered_and_paged(doors, workflow):
    execution_id = await finished(doors, workflow)
    path = f"/api/executions/{execution_id}/logs"

    async def messages(**query):
        return [line["message"] for line in (await doors.api.get(path, params=query)).json()["items"]]

    everything = (await doors.api.get(path)).json()
    assert everything["next_cursor"] is None
    assert {line["execution_id"] for line in everything["items"]} == {execution_id}
    assert {line["correlation_id"] for line in everything["items"]} == {"c-9"}
    assert await messages(level="warning") == ["hello: attempt 1 failed: DestinationTimeout: slow"]
    assert await messages(node="nobody") == []
    assert len(await messages(node="hello")) == len(everything["items"]) - 2
    assert await messages(since=everything["items"][-1]["timestamp"]) == ["execution succeeded"]
    assert await messages(until=everything["items"][0]["timestamp"]) == []

    paged, cursor = [], ""
    while cursor is not None:
        page = (await doors.api.get(path, params={"limit": 2, "cursor": cursor})).json()
        paged, cursor = paged + page["items"], page["next_cursor"]
    assert paged == everything["items"]


@pytest.mark.parametrize(
    "query", [{"level": "loud"}, {"since": "yesterday"}, {"cursor": "x"}, {"since": "2026-01-01T00:00:00"}]
)
async def test_bad_log_parameters(doors, workflow, query):
    execution_id = await finished(doors, workflow)

    answer = await doors.api.get(f"/api/executions/{execution_id}/logs", params=query)

    assert_problem(answer, 422, "request.parameter_invalid")


async def test_a_queued_execution_is_cancelled_at_once(doors, workflow):
    execution_id = await started(doors, workflow)
    path = f"/api/executions/{execution_id}"

    answer = await doors.api.post(f"{path}/cancel")

    assert answer.status_code == 202
    assert answer.json() == {"execution_id": execution_id, "status": "cancelled", "cancel_requested": True}
    execution = (await doors.api.get(path)).json()
    assert execution["status"] == "cancelled"
    assert [n["status"] for n in execution["nodes"]] == ["skipped"]
    assert_problem(await doors.api.post(f"{path}/cancel"), 409, "resource.conflict")


async def test_lists_are_filtered_and_small(doors, workflow):
    await finished(doors, workflow)
    queued = await started(doors, workflow)

    items = (await doors.api.get("/api/executions", params={"status": "queued"})).json()["items"]

    assert [e["id"] for e in items] == [queued]
    assert not {"input", "output", "nodes", "context"} & set(items[0])
    assert len(await doors.executions(workflow["id"])) == 2


async def test_a_replay_is_of_an_execution_of_the_same_workflow(doors, workflow):
    recorded, other = await finished(doors, workflow), await doors.workflow(name="other")
    path = "/api/workflows/{}/execute"

    taken = await doors.api.post(path.format(workflow["id"]), json=GOOD | {"replay": recorded})

    assert taken.status_code == 202
    shown = (await doors.api.get(f"/api/executions/{taken.json()['execution_id']}")).json()
    assert shown["trigger"] == {"type": "manual", "replay_of": recorded}
    for workflow_id, source in ((other["id"], recorded), (workflow["id"], UNKNOWN_ID), (workflow["id"], "nope")):
        answer = await doors.api.post(path.format(workflow_id), json=GOOD | {"replay": source})
        assert "GET /api/executions" in assert_problem(answer, 422, "request.parameter_invalid")["detail"]


@pytest.mark.parametrize("path", ["", "/logs", "/events"])
@pytest.mark.parametrize("execution_id", ["nope", UNKNOWN_ID])
async def test_unknown_executions(doors, execution_id, path):
    assert_problem(await doors.api.get(f"/api/executions/{execution_id}{path}"), 404, "resource.not_found")
    assert_problem(await doors.api.post(f"/api/executions/{execution_id}/cancel"), 404, "resource.not_found")


async def started(doors, workflow):
    answer = await doors.api.post(
        f"/api/workflows/{workflow['id']}/execute", json=GOOD, headers={"X-Correlation-Id": "c-9"}
    )
    return answer.raise_for_status().json()["execution_id"]


async def finished(doors, workflow):
    """An execution whose one node was retried once."""
    execution_id = await started(doors, workflow)
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "hello")
    history.scheduled("hello", {"url": "u"})
    history.failed("DestinationTimeout", "slow")
    history.scheduled("hello", {"url": "u"})
    history.succeeded({"hi": 1}, {"status": 200})
    history.exited("Task", "hello", {"hi": 1}, hello={"hi": 1})
    history.add("ExecutionSucceeded", output='{"hi": 1}')
    change = StatusChange(ExecutionStatus.SUCCEEDED, history.events[-1].timestamp, result={"hi": 1})
    await doors.stores.journal.write(execution_id, workflow["project_id"], history.events, change)
    return execution_id
