"""Workflows through the REST API."""

import asyncio

import pytest

from tests.functions.conftest import UNKNOWN_ID, assert_problem, definition

MISTAKES = {
    "name": "Not A Name",
    "nodes": [
        {"id": "a", "type": "transform", "config": {"output": "{% $input. %}"}},
        {"id": "b", "type": "transform", "config": {"output": "{% $nobody %}"}},
        {"id": "c", "type": "magic", "config": {}},
    ],
    "edges": [{"from": "a", "to": "zzz"}],
    "settings": {"timeout_seconds": 0},
}


async def test_create_get_list_update_delete(doors):
    created = await doors.api.post("/api/workflows", json=definition(description="says hello"))
    workflow = created.json()
    path = f"/api/workflows/{workflow['id']}"

    assert created.status_code == 201
    assert created.headers["location"] == path
    assert (workflow["name"], workflow["status"], workflow["version"]) == ("greet", "draft", 1)
    assert workflow["definition"] == definition(description="says hello")
    assert workflow["warnings"] == []
    assert (await doors.api.get(path)).json() == {k: v for k, v in workflow.items() if k != "warnings"}
    assert [w["id"] for w in (await doors.api.get("/api/workflows")).json()["items"]] == [workflow["id"]]

    updated = (await doors.api.put(path, json=definition(description="says hi"))).json()
    assert (updated["version"], updated["description"]) == (2, "says hi")

    assert (await doors.api.delete(path)).status_code == 204
    assert_problem(await doors.api.get(path), 410, "resource.deleted")
    assert_problem(await doors.api.delete(path), 410, "resource.deleted")
    assert (await doors.api.get("/api/workflows")).json()["items"] == []
    listed = (await doors.api.get("/api/workflows", params={"status": "deleted"})).json()["items"]
    assert [w["status"] for w in listed] == ["deleted"]


async def test_yaml_is_accepted(doors):
    text = "name: greet\nnodes:\n  - {id: hello, type: transform, config: {output: hi}}\n"
    answer = await doors.api.post("/api/workflows", content=text, headers={"Content-Type": "application/yaml"})

    assert answer.status_code == 201, answer.text
    assert answer.json()["definition"]["nodes"][0]["config"] == {"output": "hi"}


async def test_a_definition_that_says_the_same_adds_no_version(doors):
    workflow = await doors.workflow()
    path = f"/api/workflows/{workflow['id']}"

    reordered = dict(reversed(definition().items()))
    assert (await doors.api.put(path, json=reordered)).json()["version"] == 1
    assert (await doors.api.get(f"{path}/versions/2")).status_code == 404


async def test_versions_stay_readable(doors):
    workflow = await doors.workflow()
    path = f"/api/workflows/{workflow['id']}"
    await doors.api.put(path, json=definition(description="two"))
    await doors.api.delete(path)

    first = (await doors.api.get(f"{path}/versions/1")).json()

    assert first["definition"] == definition()
    assert first["asl"]["StartAt"]
    for missing in ("3", "0", "-1", "99999999999"):
        assert_problem(await doors.api.get(f"{path}/versions/{missing}"), 404, "resource.not_found")


async def test_every_mistake_comes_in_one_answer(doors):
    problem = assert_problem(await doors.api.post("/api/workflows", json=MISTAKES), 422, "definition.invalid")

    assert len(problem["diagnostics"]) >= 5
    assert all(each["path"] and each["message"] and each["code"] for each in problem["diagnostics"])
    assert (await doors.api.get("/api/workflows")).json()["items"] == []


async def test_validate_stores_nothing(doors):
    good = (await doors.api.post("/api/workflows/validate", json=definition())).json()
    bad = (await doors.api.post("/api/workflows/validate", json=MISTAKES)).json()

    assert (good["valid"], good["asl"]["StartAt"]) == (True, "hello")
    assert (bad["valid"], bad["asl"]) == (False, None)
    assert len(bad["diagnostics"]) >= 5
    assert (await doors.api.get("/api/workflows")).json()["items"] == []


async def test_a_name_is_taken_until_its_workflow_is_deleted(doors):
    workflow = await doors.workflow()

    assert_problem(await doors.api.post("/api/workflows", json=definition()), 409, "workflow.name_taken")
    await doors.api.delete(f"/api/workflows/{workflow['id']}")
    assert (await doors.api.post("/api/workflows", json=definition())).status_code == 201


async def test_status_changes(doors):
    workflow = await doors.workflow(active=False)
    path = f"/api/workflows/{workflow['id']}"

    assert (await doors.api.post(f"{path}/activate")).json()["status"] == "active"
    assert (await doors.api.post(f"{path}/pause")).json()["status"] == "paused"
    assert (await doors.api.get(path)).json()["status"] == "paused"


async def test_pages(doors):
    for number in range(5):
        await doors.workflow(name=f"w{number}")

    first = (await doors.api.get("/api/workflows", params={"limit": 2})).json()
    second = (await doors.api.get("/api/workflows", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    third = (await doors.api.get("/api/workflows", params={"limit": 2, "cursor": second["next_cursor"]})).json()

    names = [w["name"] for page in (first, second, third) for w in page["items"]]
    assert names == ["w4", "w3", "w2", "w1", "w0"]
    assert third["next_cursor"] is None


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"cursor": "%%"}, {"status": "odd"}])
async def test_bad_parameters(doors, query):
    assert_problem(await doors.api.get("/api/workflows", params=query), 422, "request.parameter_invalid")


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b'{"name": ', "application/json", 400, "request.malformed"),
        (b"", "application/json", 400, "request.malformed"),
        (b"\xff", "application/json", 400, "request.malformed"),
        (b"a: [", "application/yaml", 400, "request.malformed"),
        (b"a: &a [*a]", "application/yaml", 400, "request.malformed"),
        (b"[1]", "application/json", 422, "definition.invalid"),
        (b"hello", "application/yaml", 422, "definition.invalid"),
        (b"{}", "text/plain", 415, "request.unsupported_media_type"),
    ],
)
async def test_bad_documents(doors, content, media_type, status, code):
    answer = await doors.api.post("/api/workflows", content=content, headers={"Content-Type": media_type})

    assert_problem(answer, status, code)


@pytest.mark.parametrize("workflow_id", ["nope", UNKNOWN_ID, "%00", "' or 1=1"])
async def test_unknown_ids(doors, workflow_id):
    assert_problem(await doors.api.get(f"/api/workflows/{workflow_id}"), 404, "resource.not_found")
    assert_problem(await doors.api.post(f"/api/workflows/{workflow_id}/execute", json={}), 404, "resource.not_found")


async def test_two_updates_at_once_make_two_versions_or_one_conflict(doors):
    workflow = await doors.workflow()
    path = f"/api/workflows/{workflow['id']}"
    answers = await asyncio.gather(*(doors.api.put(path, json=definition(description=f"d{n}")) for n in range(4)))

    assert {each.status_code for each in answers} <= {200, 409}
    current = (await doors.api.get(path)).json()
    stored = (await doors.api.get(f"{path}/versions/{current['version']}")).json()
    assert stored["definition"] == current["definition"]
