"""Schedules through the REST API."""

import pytest

from shared.ids import new_id
from tests.functions.conftest import assert_problem

CRON = {"cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin"}


@pytest.fixture
async def workflow(doors):
    return await doors.workflow()


async def test_a_schedule_is_stored_with_its_defaults(doors, workflow):
    trigger = await doors.trigger(workflow["id"], type="schedule", config=CRON)

    assert (trigger["type"], trigger["webhook"], trigger["is_active"]) == ("schedule", None, True)
    assert {key: trigger["config"][key] for key in CRON} == CRON
    assert (trigger["config"]["overlap"], trigger["config"]["missed"]["policy"]) == ("allow", "skip")
    listed = await doors.api.get(f"/api/workflows/{workflow['id']}/triggers")
    assert listed.json()["items"] == [trigger]


async def test_a_rate_counts_from_its_creation(doors, workflow):
    rate = {"rate": {"value": 5, "unit": "minutes"}}
    trigger = await doors.trigger(workflow["id"], type="schedule", config=rate)

    runs = (await doors.api.get(f"/api/triggers/{trigger['id']}/next-runs", params={"count": 2})).json()

    assert trigger["config"]["start"][:19] == trigger["created_at"][:19]
    assert all(run["time"][14:16] != trigger["created_at"][14:16] for run in runs["items"])
    assert len(runs["items"]) == 2


async def test_a_rate_goes_on_counting_when_something_else_changes(doors, workflow):
    rate = {"rate": {"value": 5, "unit": "minutes"}}
    trigger = await doors.trigger(workflow["id"], type="schedule", config=rate)
    path = f"/api/triggers/{trigger['id']}"

    same = (await doors.api.put(path, json={"config": {**rate, "overlap": "skip"}})).json()
    other = (await doors.api.put(path, json={"config": {"rate": {"value": 6, "unit": "minutes"}}})).json()

    assert (same["config"]["start"], same["config"]["overlap"]) == (trigger["config"]["start"], "skip")
    assert other["config"]["start"] > trigger["config"]["start"]


async def test_pause_resume_and_change(doors, workflow):
    trigger = await doors.trigger(workflow["id"], type="schedule", config=CRON)
    path = f"/api/triggers/{trigger['id']}"

    paused = (await doors.api.put(path, json={"is_active": False})).json()
    changed = (await doors.api.put(path, json={"config": {"cron": "*/5 * * * *"}, "is_active": True})).json()

    assert (paused["is_active"], paused["config"]) == (False, trigger["config"])
    assert (changed["is_active"], changed["config"]["cron"], changed["config"]["timezone"]) == (
        True,
        "*/5 * * * *",
        "UTC",
    )
    assert (await doors.api.delete(path)).status_code == 204


async def test_a_preview_needs_no_trigger(doors):
    body = {"type": "schedule", "config": CRON, "after": "2026-03-27T07:59:59Z", "count": 2}

    runs = (await doors.api.post("/api/triggers/preview", json=body)).raise_for_status().json()

    assert runs == {
        "timezone": "Europe/Berlin",
        "items": [
            {"time": "2026-03-27T08:00:00.000Z", "local_time": "2026-03-27T09:00:00+01:00"},
            {"time": "2026-03-30T07:00:00.000Z", "local_time": "2026-03-30T09:00:00+02:00"},
        ],
    }


@pytest.mark.parametrize("after", ["2026-03-27T07:59:59", "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
async def test_a_preview_needs_a_time_that_exists(doors, after):
    answer = await doors.api.post("/api/triggers/preview", json={"type": "schedule", "config": CRON, "after": after})

    assert "with an offset" in assert_problem(answer, 422, "request.parameter_invalid")["detail"]


async def test_a_slow_rate_ends_with_the_calendar(doors):
    body = {"type": "schedule", "config": {"rate": {"value": 30_000, "unit": "days"}}, "count": 100}

    runs = (await doors.api.post("/api/triggers/preview", json=body)).raise_for_status().json()["items"]

    assert 1 < len(runs) < 5


async def test_the_state_is_empty_before_the_first_look(doors, workflow):
    trigger = await doors.trigger(workflow["id"], type="schedule", config=CRON)

    answer = await doors.api.get(f"/api/triggers/{trigger['id']}/state")

    assert answer.json() == {"due_at": None, "state": {}}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "give exactly one of 'cron', 'rate' and 'at'"),
        ({"cron": "0 9 * * *", "at": "2030-01-01T00:00:00"}, "give exactly one"),
        ({"cron": "0 9 * *"}, "has 4 fields; a cron expression has five"),
        ({"cron": "0 25 * * *"}, "config.cron: '0 25 * * *' is not a cron expression"),
        ({"cron": "0 9 L * *"}, "'L' is not a day of month"),
        ({"cron": "0 9 31 2 *"}, "never fires"),
        ({"cron": "0 3 * * *", "window": {"hours": [{"from": "09:00", "until": "17:00"}]}}, "never fires"),
        ({"at": "2020-01-01T00:00:00Z"}, "never fires"),
        ({"at": "2026-03-29T02:30:00", "timezone": "Europe/Berlin"}, "which clocks in Europe/Berlin never show"),
        ({"cron": "0 9 * * *", "timezone": "Mars/Base"}, "'Mars/Base' is not an IANA timezone"),
        ({"cron": "0 9 * * *", "start": "2031-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}, "is before 'start'"),
        ({"cron": "0 9 * * *", "input": "{% $nope %}"}, "reads $nope; it may read $fire"),
        ({"cron": "0 9 * * *", "input": {"a": "{% 1 + %}"}}, "the expression at 'a' does not compile"),
        ({"at": "9999-12-31T23:00:00-05:00"}, "'at' is in the year 9999; allowed are 1970 to 2199"),
        ({"rate": {"value": 0, "unit": "minutes"}}, "config.rate.value"),
        ({"crn": "0 9 * * *"}, "config.crn"),
    ],
)
async def test_mistakes_are_told(doors, workflow, config, words):
    path = f"/api/workflows/{workflow['id']}/triggers"

    stored = await doors.api.post(path, json={"type": "schedule", "config": config})
    previewed = await doors.api.post("/api/triggers/preview", json={"type": "schedule", "config": config})

    for answer in (stored, previewed):
        assert words in assert_problem(answer, 422, "request.parameter_invalid")["detail"]
    assert (await doors.api.get(path)).json()["items"] == []


async def test_other_triggers_do_not_go_by_the_clock(doors, workflow):
    hook = await doors.trigger(workflow["id"])

    for path in ("next-runs", "state"):
        assert_problem(await doors.api.get(f"/api/triggers/{hook['id']}/{path}"), 404, "resource.not_found")
        assert_problem(await doors.api.get(f"/api/triggers/{new_id()}/{path}"), 404, "resource.not_found")
    preview = await doors.api.post("/api/triggers/preview", json={"type": "webhook", "config": {}})
    assert_problem(preview, 422, "request.parameter_invalid")


async def test_a_secret_is_of_no_use(doors, workflow):
    body = {"type": "schedule", "config": CRON, "secret": "hunter2"}

    answer = await doors.api.post(f"/api/workflows/{workflow['id']}/triggers", json=body)

    assert_problem(answer, 422, "request.parameter_invalid")
    assert "hunter2" not in answer.text
