"""The event bus through the REST API."""

import pytest

from tests.functions.conftest import assert_problem

EVENT = {"source": "shop", "detail-type": "order.created", "detail": {"total": 120}}
PATTERN = {"source": ["shop"]}


async def test_one_event(doors):
    answer = await doors.api.post("/api/events", json={**EVENT, "id": "one"})
    again = await doors.api.post("/api/events", json={**EVENT, "id": "one"})

    assert (answer.status_code, answer.json()["failed_entry_count"]) == (202, 0)
    (entry,) = answer.json()["entries"]
    assert (entry["event_id"], entry["duplicate"]) == ("one", False)
    assert again.json()["entries"][0]["duplicate"] is True


async def test_entries_of_a_batch_are_taken_or_refused_by_themselves(doors):
    batch = [
        EVENT,
        {**EVENT, "source": "millrace.executions"},
        {**EVENT, "id": "b1"},
        {**EVENT, "id": "b1", "detail": {}},
        {"source": "shop"},
        {**EVENT, "detail": {"x": "y" * 262_144}},
        5,
    ]

    answer = (await doors.api.post("/api/events", json=batch)).raise_for_status().json()

    codes = [entry["error_code"] for entry in answer["entries"]]
    assert codes == [
        None,
        "request.parameter_invalid",
        None,
        "request.idempotency_mismatch",
        "request.parameter_invalid",
        "request.too_large",
        "request.parameter_invalid",
    ]
    assert answer["failed_entry_count"] == 5
    assert "262144" in answer["entries"][5]["error_message"]


@pytest.mark.parametrize(
    ("fields", "status", "code", "word"),
    [
        ({"source": "millrace.x"}, 422, "request.parameter_invalid", "platform's own"),
        ({"source": ""}, 422, "request.parameter_invalid", "'source'"),
        ({"source": 5}, 422, "request.parameter_invalid", "'source'"),
        ({"detail": []}, 422, "request.parameter_invalid", "'detail' is not an object"),
        ({"time": "yesterday"}, 422, "request.parameter_invalid", "RFC 3339"),
        ({"time": "2026-11-23T09:00:00"}, 422, "request.parameter_invalid", "RFC 3339"),
        ({"resources": "a"}, 422, "request.parameter_invalid", "'resources'"),
        ({"detailtype": "a"}, 422, "request.parameter_invalid", "no field 'detailtype'"),
        ({"id": "x" * 257}, 422, "request.parameter_invalid", "'id'"),
        ({"id": "a\0"}, 422, "request.parameter_invalid", "'id'"),
        ({"detail": {"x": "y" * 262_144}}, 413, "request.too_large", "262144"),
    ],
)
async def test_an_event_that_cannot_be_is_refused(doors, fields, status, code, word):
    answer = await doors.api.post("/api/events", json={**EVENT, **fields})

    assert word in assert_problem(answer, status, code)["detail"]


async def test_an_event_that_nests_too_deep_is_refused(doors):
    body = '{"source": "s", "detail-type": "t", "detail": {"a": ' + "[" * 900 + "]" * 900 + "}}"

    answer = await doors.api.post("/api/events", content=body, headers={"content-type": "application/json"})

    assert "64 deep" in assert_problem(answer, 422, "request.parameter_invalid")["detail"]


async def test_malformed_bodies_and_batches_are_refused(doors):
    assert_problem(await doors.api.post("/api/events", content=b"{"), 400, "request.malformed")
    assert_problem(await doors.api.post("/api/events", json=[]), 422, "request.parameter_invalid")
    assert_problem(await doors.api.post("/api/events", json=[EVENT] * 101), 422, "request.parameter_invalid")


async def test_an_event_trigger_is_stored_shown_and_changed(doors):
    workflow = await doors.workflow()
    config = {"pattern": PATTERN, "input": {"order": "{% $event.detail %}"}}

    trigger = await doors.trigger(workflow["id"], type="event", config=config)

    assert trigger["config"] == {**config, "pause_after_failures": 20}
    changed = await doors.api.put(f"/api/triggers/{trigger['id']}", json={"config": {"pattern": {"source": [None]}}})
    assert changed.json()["config"]["pattern"] == {"source": [None]}
    paused = await doors.api.put(f"/api/triggers/{trigger['id']}", json={"is_active": False})
    assert (paused.json()["is_active"], paused.json()["config"]) == (False, changed.json()["config"])


@pytest.mark.parametrize(
    ("config", "code", "word"),
    [
        ({"pattern": {"source": "shop"}}, "pattern.invalid", "config.pattern.source: This is 'shop'"),
        ({"pattern": {"detail": {"a": [{"sufix": "x"}]}}}, "pattern.invalid", "Did you mean 'suffix'?"),
        ({}, "request.parameter_invalid", "config.pattern: Field required"),
        ({"pattern": PATTERN, "input": "{% $item %}"}, "request.parameter_invalid", "it may read $event"),
        ({"pattern": PATTERN, "more": 1}, "request.parameter_invalid", "config.more"),
    ],
)
async def test_an_event_trigger_with_mistakes_is_refused(doors, config, code, word):
    workflow = await doors.workflow()

    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/triggers", json={"type": "event", "config": config})

    assert word in assert_problem(answer, 422, code)["detail"]


async def test_a_pattern_can_be_tried(doors):
    body = {"pattern": {"source": [{"prefix": "sh"}]}, "event": EVENT}

    assert (await doors.api.post("/api/events/test-pattern", json=body)).json() == {"matches": True}
    refused = await doors.api.post("/api/events/test-pattern", json={**body, "pattern": {}})
    assert assert_problem(refused, 422, "pattern.invalid")["diagnostics"][0]["path"] == "pattern"
