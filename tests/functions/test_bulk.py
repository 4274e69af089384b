"""Bulk runs through the API; what runs them is in tests/contract/test_bulk.py and tests/local/test_bulk.py."""

from typing import Any

import pytest

from shared.bulk.records import BulkRun, Priority
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.objects import object_place
from tests.functions.conftest import Doors, assert_problem

SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
CSV = {"Content-Type": "text/csv"}


async def started(doors: Doors, data: Any, **fields: Any) -> dict[str, Any]:
    workflow = await doors.workflow(**fields)
    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/bulk", json=data)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/bulk/{answer.json()['id']}"
    return answer.json()


async def stored(doors: Doors, bulk_id: str) -> BulkRun:
    found = await doors.stores.bulk_runs.get("00000000-0000-7000-8000-000000000001", bulk_id)
    assert found is not None
    return found


async def test_inputs_are_kept_before_the_answer(doors: Doors):
    answer = await started(doors, [{"name": "Ada"}, {"name": "Grace"}], input_schema=SCHEMA)

    assert (answer["status"], answer["total"], answer["submitted"], answer["max_in_flight"]) == ("running", 2, 0, 200)
    bulk = await stored(doors, answer["id"])
    assert bulk.priority is Priority.LOW
    assert await doors.stores.blobs.get(bulk.inputs_key) == b'{"name":"Ada"}\n{"name":"Grace"}\n'
    listed = (await doors.api.get("/api/bulk", params={"workflow_id": answer["workflow_id"]})).json()
    assert [each["id"] for each in listed["items"]] == [answer["id"]]
    assert (await doors.api.get(f"/api/bulk/{answer['id']}")).json() == answer


async def test_one_mistake_keeps_all_from_starting_and_is_named(doors: Doors):
    workflow = await doors.workflow(input_schema=SCHEMA)
    target = f"/api/workflows/{workflow['id']}/bulk"

    refused = await doors.api.post(target, content="nam\nAda\n", headers=CSV)
    checked = await doors.api.post(
        f"{target}/check", content='{"name":"Ada"}\n{}', headers={"Content-Type": "application/x-ndjson"}
    )

    problem = assert_problem(refused, 422, "input.invalid")
    assert problem["diagnostics"][0]["path"] == "inputs[0].name"
    assert (checked.json()["valid"], checked.json()["invalid"]) == (1, 1)
    assert (await doors.api.get("/api/bulk", params={"workflow_id": workflow["id"]})).json()["items"] == []


async def test_what_cannot_be_read_is_refused(doors: Doors):
    workflow = await doors.workflow()
    target = f"/api/workflows/{workflow['id']}/bulk"

    assert_problem(
        await doors.api.post(target, content="<a/>", headers={"Content-Type": "text/xml"}),
        415,
        "request.unsupported_media_type",
    )
    assert_problem(await doors.api.post(target, json={"inputs": []}), 400, "request.malformed")
    assert_problem(
        await doors.api.post(target, params={"max_in_flight": 0}, json=[1]), 422, "request.parameter_invalid"
    )
    large = await doors.api.post(target, content=b"x" * (10 * 1024 * 1024 + 1), headers=CSV)
    assert_problem(large, 413, "request.too_large")
    fits = b"name\n" + b"Ada Lovelace\n" * 90_000
    assert len(fits) > 1024 * 1024, "more than other paths take in"
    assert (await doors.api.post(target, content=fits, headers=CSV)).status_code == 202


async def test_inputs_come_from_an_object_of_the_project(doors: Doors):
    workflow = await doors.workflow(input_schema=SCHEMA)
    target, wanted = f"/api/workflows/{workflow['id']}/bulk", {"object": "lists/guests.csv"}
    await doors.stores.blobs.put(object_place(DEFAULT_PROJECT_ID, "lists/guests.csv"), b"name\nAda\nGrace\n")
    await doors.stores.blobs.put(object_place(new_id(), "lists/others.csv"), b"name\nEve\n")
    await doors.stores.blobs.put(object_place(DEFAULT_PROJECT_ID, "lists/guests"), b"name\nAda\n")

    checked = await doors.api.post(f"{target}/check", params=wanted)
    answer = await doors.api.post(target, params=wanted)

    assert checked.json()["valid"] == 2
    assert answer.status_code == 202, answer.text
    bulk = await stored(doors, answer.json()["id"])
    assert await doors.stores.blobs.get(bulk.inputs_key) == b'{"name":"Ada"}\n{"name":"Grace"}\n'
    assert_problem(await doors.api.post(target, params=wanted, json=[{}]), 400, "request.malformed")
    assert_problem(await doors.api.post(target, params={"object": "lists/others.csv"}), 404, "resource.not_found")
    assert_problem(
        await doors.api.post(target, params={"object": "lists/guests"}), 415, "request.unsupported_media_type"
    )
    assert_problem(await doors.api.post(target, params={"object": "../x.csv"}), 422, "request.parameter_invalid")


async def test_a_draft_starts_nothing(doors: Doors):
    workflow = await doors.workflow(active=False)

    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/bulk", json=[1])

    assert_problem(answer, 409, "workflow.inactive")


async def test_the_same_key_starts_one(doors: Doors):
    workflow = await doors.workflow()
    target, key = f"/api/workflows/{workflow['id']}/bulk", {"Idempotency-Key": "k"}

    answers = [await doors.api.post(target, json=[1], headers=key) for _ in range(2)]

    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert_problem(await doors.api.post(target, json=[2], headers=key), 409, "request.idempotency_mismatch")


async def test_a_cancel_is_told_and_a_second_one_of_an_ended_run_refused(doors: Doors):
    bulk = await started(doors, [1, 2])
    await doors.stores.bulk_runs.close(bulk["id"])

    ended = await doors.api.post(f"/api/bulk/{bulk['id']}/cancel")
    other = await started(doors, [1, 2], name="other")
    cancelled = await doors.api.post(f"/api/bulk/{other['id']}/cancel")

    assert_problem(ended, 409, "resource.conflict")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelling")
    assert cancelled.json()["cancel_requested_at"] is not None


async def test_nothing_failed_nothing_is_retried(doors: Doors):
    bulk = await started(doors, [1])

    assert_problem(await doors.api.post(f"/api/bulk/{bulk['id']}/retry"), 409, "resource.conflict")


@pytest.mark.parametrize("path", ["", "/items", "/cancel", "/retry"])
async def test_there_is_no_such_run(doors: Doors, path: str):
    method = "POST" if path in ("/cancel", "/retry") else "GET"

    answer = await doors.api.request(method, f"/api/bulk/01923e5a-7c1f-7d2e-9a4b-3f1c5d7e9b02{path}")

    assert_problem(answer, 404, "resource.not_found")
