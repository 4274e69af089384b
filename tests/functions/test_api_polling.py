"""Polling triggers through the REST API."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.poll.core import Entry, PollingMemory
from shared.clock import iso
from shared.ports import TriggerState
from shared.triggers.changes import Seen
from shared.triggers.records import TriggerType
from tests.functions.conftest import assert_problem

POLL = {
    "interval_seconds": 60,
    "source": {"type": "http", "url": "https://example.com/feed"},
    "detect": {"by": "ids", "id": "{% $item.id %}"},
}


async def test_a_polling_trigger_is_stored_with_its_defaults(doors):
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], type="polling", config=POLL)

    assert trigger["config"]["detect"] == {"by": "ids", "id": "{% $item.id %}", "remember": 10_000}
    assert (trigger["config"]["first_poll"]["policy"], trigger["config"]["emit"]) == ("emit_none", "per_item")
    paused = await doors.api.put(f"/api/triggers/{trigger['id']}", json={"is_active": False})
    assert paused.json()["is_active"] is False
    assert (await doors.api.get(f"/api/triggers/{trigger['id']}/state")).json() == {"due_at": None, "state": {}}


async def test_the_state_tells_counts_where_the_memory_is_long(doors):
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], type="polling", config=POLL)
    states, at = doors.stores.trigger_states, datetime.now(UTC)
    (claimed,) = await states.claim(TriggerType.POLLING, at, lease=timedelta(minutes=1), only=trigger["id"])
    memory = PollingMemory(seen=Seen(polled=True, ids=["1", "2"]), outbox=[Entry(key="k", input={"secret": 1})])
    assert await states.keep(claimed, TriggerState(memory.model_dump(mode="json"), at), at)

    shown = (await doors.api.get(f"/api/triggers/{trigger['id']}/state")).json()

    assert (shown["state"]["seen"]["ids"], shown["state"]["outbox"], shown["due_at"]) == (2, 1, iso(at))


async def test_the_polls_to_come(doors):
    cron = {**POLL, "interval_seconds": None, "cron": "*/5 9 * * *", "timezone": "Europe/Berlin"}
    body = {"type": "polling", "config": POLL, "after": "2026-03-27T08:00:00Z", "count": 2}

    interval = (await doors.api.post("/api/triggers/preview", json=body)).raise_for_status().json()
    by_cron = (await doors.api.post("/api/triggers/preview", json={**body, "config": cron})).raise_for_status().json()

    assert [each["time"][11:16] for each in interval["items"]] == ["08:00", "08:01"]
    assert [each["local_time"][11:16] for each in by_cron["items"]] == ["09:00", "09:05"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"interval_seconds": None}, "give exactly one of 'interval_seconds' and 'cron'"),
        ({"interval_seconds": 1}, "config.interval_seconds"),
        ({"detect": {"by": "magic"}}, "config.detect"),
        ({"detect": {"by": "ids", "id": "id"}}, "'id' is not an expression; write it as {% … %}"),
        ({"detect": {"by": "ids", "id": "{% $response %}"}}, "reads $response; it may read $item"),
        ({"items": "{% $respons.body %}"}, "reads $respons; it may read $response"),
        ({"input": "{% $items %}"}, "reads $items; it may read $item"),
        ({"emit": "batch", "input": "{% $item %}"}, "reads $item; it may read $items"),
        ({"source": {"type": "http", "url": "{% $item.url %}"}}, "reads $item; it may read $cursor"),
        ({"source": {"type": "tool", "tool": "csv.parse"}, "detect": {"by": "etag"}}, "use 'hash' with tools"),
        ({"cron": "0 0 31 2 *", "interval_seconds": None}, "never fires"),
    ],
)
async def test_mistakes_are_told(doors, change, words):
    body = {"type": "polling", "config": {**POLL, **change}}

    answer = await doors.api.post("/api/triggers/preview", json=body)

    assert words in assert_problem(answer, 422, "request.parameter_invalid")["detail"]
