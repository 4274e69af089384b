"""Webhook triggers through the REST API."""

import pytest

from tests.functions.conftest import BASE_URL, UNKNOWN_ID, assert_problem

GITHUB = {"verification": {"scheme": "github"}}


@pytest.fixture
async def workflow(doors):
    return await doors.workflow()


async def test_a_path_is_minted_and_the_secret_never_shown(doors, workflow):
    path = f"/api/workflows/{workflow['id']}/triggers"
    answer = await doors.api.post(path, json={"type": "webhook", "config": GITHUB, "secret": "s3cret-s3cret"})
    trigger = answer.json()

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/triggers/{trigger['id']}"
    assert len(trigger["webhook"]["path"]) == 32
    assert trigger["webhook"]["url"] == f"{BASE_URL}/webhooks/{trigger['webhook']['path']}"
    assert (trigger["webhook"]["has_secret"], trigger["is_active"]) == (True, True)
    listed = await doors.api.get(path)
    hooks = await doors.api.get("/api/webhooks")
    assert listed.json() == {"items": [trigger], "next_cursor": None}
    assert [h["trigger_id"] for h in hooks.json()["items"]] == [trigger["id"]]
    assert "s3cret" not in answer.text + listed.text + hooks.text


async def test_the_secret_is_encrypted_at_rest(doors, workflow):
    trigger = await doors.trigger(workflow["id"], config=GITHUB, secret="s3cret-s3cret")

    stored = await doors.stores.triggers.webhook_of(workflow["project_id"], trigger["id"])

    assert b"s3cret" not in stored.secret
    assert doors.stores.secrets.decrypt(stored.secret) == "s3cret-s3cret"


async def test_updates_keep_what_is_not_given(doors, workflow):
    trigger = await doors.trigger(workflow["id"], config={**GITHUB, "path": "hook"}, secret="one")
    path = f"/api/triggers/{trigger['id']}"

    switched = (await doors.api.put(path, json={"is_active": False})).json()
    rotated = (await doors.api.put(path, json={"secret": "two"})).json()
    methods = (await doors.api.put(path, json={"config": {**GITHUB, "methods": ["PUT"]}})).json()

    assert (switched["is_active"], switched["config"]) == (False, trigger["config"])
    assert (rotated["is_active"], rotated["webhook"]) == (False, trigger["webhook"])
    assert (methods["webhook"]["path"], methods["config"]["methods"]) == ("hook", ["PUT"])
    stored = await doors.stores.triggers.webhook_of(workflow["project_id"], trigger["id"])
    assert doors.stores.secrets.decrypt(stored.secret) == "two"


async def test_a_scheme_without_signatures_drops_the_secret(doors, workflow):
    trigger = await doors.trigger(workflow["id"], config=GITHUB, secret="one")
    path = f"/api/triggers/{trigger['id']}"

    changed = (await doors.api.put(path, json={"config": {"verification": {"scheme": "none"}}})).json()

    assert changed["webhook"]["has_secret"] is False
    assert_problem(await doors.api.put(path, json={"config": GITHUB}), 422, "request.parameter_invalid")


async def test_a_deleted_trigger_frees_its_path(doors, workflow):
    trigger = await doors.trigger(workflow["id"], config={"path": "hook"})
    path = f"/api/triggers/{trigger['id']}"

    assert (await doors.api.delete(path)).status_code == 204
    assert_problem(await doors.api.delete(path), 404, "resource.not_found")
    await doors.trigger(workflow["id"], config={"path": "hook"})


async def test_a_path_belongs_to_one_trigger(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "hook"})
    other = await doors.trigger(workflow["id"], config={"path": "other"})
    body = {"type": "webhook", "config": {"path": "hook"}}

    again = await doors.api.post(f"/api/workflows/{workflow['id']}/triggers", json=body)
    moved = await doors.api.put(f"/api/triggers/{other['id']}", json={"config": {"path": "hook"}})

    assert_problem(again, 409, "resource.conflict")
    assert_problem(moved, 409, "resource.conflict")
    hooks = (await doors.api.get("/api/webhooks")).json()["items"]
    assert sorted(h["path"] for h in hooks) == ["hook", "other"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "telegram"},
        {"type": "webhook", "config": GITHUB},
        {"type": "webhook", "config": GITHUB, "secret": ""},
        {"type": "webhook", "secret": "hunter2"},
        {"type": "webhook", "secret": ["hunter2"]},
        {"type": "webhook", "secret": "hunter2" * 1000, "config": GITHUB},
        {"type": "webhook", "config": {"path": "a/b"}},
        {"type": "webhook", "config": {"pth": "a"}},
        {"type": "webhook", "extra": 1},
    ],
)
async def test_bad_triggers(doors, workflow, body):
    path = f"/api/workflows/{workflow['id']}/triggers"

    answer = await doors.api.post(path, json=body)

    assert_problem(answer, 422, "request.parameter_invalid")
    assert "hunter2" not in answer.text
    assert (await doors.api.get(path)).json()["items"] == []


@pytest.mark.parametrize("trigger_id", ["nope", UNKNOWN_ID])
async def test_unknown_triggers(doors, trigger_id):
    assert_problem(await doors.api.put(f"/api/triggers/{trigger_id}", json={}), 404, "resource.not_found")
    assert_problem(await doors.api.delete(f"/api/triggers/{trigger_id}"), 404, "resource.not_found")


async def test_webhooks_are_paged(doors, workflow):
    for number in range(3):
        await doors.trigger(workflow["id"], config={"path": f"hook-{number}"})

    first = (await doors.api.get("/api/webhooks", params={"limit": 2})).json()
    second = (await doors.api.get("/api/webhooks", params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [h["path"] for h in first["items"] + second["items"]] == ["hook-2", "hook-1", "hook-0"]
    assert second["next_cursor"] is None
