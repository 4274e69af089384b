"""The archive of events and its replays, through the REST API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from functions.event import replays
from shared.clock import SystemClock
from shared.ids import new_id
from tests.functions.conftest import Doors, assert_problem

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def _empty(doors: Doors) -> None:
    async with doors.stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE events, event_queue, event_replays, dead_letters"))


def replaying(doors: Doors) -> replays.Deps:
    s = doors.stores
    return replays.Deps(s.replays, s.archive, s.triggers, s.workflows, s.queue, SystemClock())


async def run(doors: Doors) -> None:
    """Replays until nothing is left, as the stage does by itself."""
    while await replays.step(replaying(doors)):
        pass


async def publish(doors: Doors, *details: dict[str, Any]) -> None:
    batch = [{"source": "shop", "detail-type": "sold", "detail": each} for each in details]
    (await doors.api.post("/api/events", json=batch)).raise_for_status()


async def listener(doors: Doors, **config: Any) -> tuple[str, str]:
    """Ids of a workflow and its trigger."""
    workflow = await doors.workflow(name=f"w-{new_id()}")
    config = {"pattern": {"source": ["shop"]}, "input": "{% $event %}", **config}
    return workflow["id"], (await doors.trigger(workflow["id"], type="event", config=config))["id"]


def wanted(*trigger_ids: str, **fields: Any) -> dict[str, Any]:
    end = datetime.now(UTC) + timedelta(minutes=1)
    times = {"starts_at": BEGAN.isoformat(), "ends_at": end.isoformat()}
    return {"name": f"r-{new_id()}", "trigger_ids": list(trigger_ids), **times, **fields}


async def test_the_archive_is_listed_newest_first(doors: Doors):
    for n in range(3):
        await publish(doors, {"n": n})

    page = (await doors.api.get("/api/events", params={"limit": 2})).json()
    rest = (await doors.api.get("/api/events", params={"limit": 2, "cursor": page["next_cursor"]})).json()

    assert [each["event"]["detail"]["n"] for each in page["items"] + rest["items"]] == [2, 1, 0]


async def test_events_go_to_the_chosen_triggers_once_more_and_are_marked(doors: Doors):
    await publish(doors, {"n": 1}, {"n": 2}, {"n": 3})
    workflow, trigger = await listener(doors)
    other, _ = await listener(doors)
    body = wanted(trigger, pattern={"detail": {"n": [{"numeric": [">=", 2]}]}})

    answer = await doors.api.post("/api/events/replays", json=body)
    again = await doors.api.post("/api/events/replays", json=body)
    await run(doors)

    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert again.json()["id"] == answer.json()["id"], "the same replay is asked for twice"
    done = (await doors.api.get(f"/api/events/replays/{answer.json()['id']}")).json()
    assert (done["status"], done["scanned"], done["delivered"]) == ("completed", 3, 2)
    found = [(await doors.api.get(f"/api/executions/{each['id']}")).json() for each in await doors.executions(workflow)]
    assert sorted(each["input"]["detail"]["n"] for each in found) == [2, 3]
    assert {each["input"]["replay-name"] for each in found} == {body["name"]}
    assert {each["trigger"]["replay"] for each in found} == {body["name"]}
    assert await doors.executions(other) == []


async def test_a_page_that_is_shown_again_starts_nothing_new(doors: Doors):
    await publish(doors, *({"n": n} for n in range(5)))
    workflow, trigger = await listener(doors)
    created = (await doors.api.post("/api/events/replays", json=wanted(trigger))).json()
    deps = replaying(doors)
    await replays.step(deps)
    async with doors.stores.engine.begin() as connection:  # as if the process had died before it kept how far it was
        await connection.execute(text("UPDATE event_replays SET status = 'running', cursor = NULL, delivered = 0"))

    await run(doors)

    assert len(await doors.executions(workflow)) == 5
    assert (await doors.api.get(f"/api/events/replays/{created['id']}")).json()["delivered"] == 5


async def test_another_replay_starts_them_again(doors: Doors):
    await publish(doors, {"n": 1})
    workflow, trigger = await listener(doors)

    for _ in range(2):
        (await doors.api.post("/api/events/replays", json=wanted(trigger))).raise_for_status()
        await run(doors)

    assert len(await doors.executions(workflow)) == 2


async def test_only_events_within_the_times(doors: Doors):
    await publish(doors, {"n": 1})
    between = datetime.now(UTC)
    await publish(doors, {"n": 2})
    workflow, trigger = await listener(doors)

    (await doors.api.post("/api/events/replays", json=wanted(trigger, ends_at=between.isoformat()))).raise_for_status()
    await run(doors)

    (execution,) = await doors.executions(workflow)
    whole = (await doors.api.get(f"/api/executions/{execution['id']}")).json()
    assert whole["input"]["detail"] == {"n": 1}


async def test_what_a_replay_cannot_start_is_a_dead_letter(doors: Doors):
    await publish(doors, {"n": 1})
    _, trigger = await listener(doors, input="{% $event.detail.missing %}")
    body = wanted(trigger)
    (await doors.api.post("/api/events/replays", json=body)).raise_for_status()

    await run(doors)

    (letter,) = (await doors.api.get("/api/dead-letters", params={"trigger_id": trigger})).json()["items"]
    whole = (await doors.api.get(f"/api/dead-letters/{letter['id']}")).json()
    assert (whole["code"], whole["payload"]["replay"]) == ("event.input", body["name"])


async def test_a_cancelled_replay_stops(doors: Doors):
    await publish(doors, {"n": 1})
    workflow, trigger = await listener(doors)
    created = (await doors.api.post("/api/events/replays", json=wanted(trigger))).json()

    cancelled = await doors.api.post(f"/api/events/replays/{created['id']}/cancel")
    await run(doors)

    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert await doors.executions(workflow) == []
    listed = (await doors.api.get("/api/events/replays")).json()["items"]
    assert [(each["id"], each["status"]) for each in listed] == [(created["id"], "cancelled")]


@pytest.mark.parametrize(
    ("fields", "status", "code", "word"),
    [
        ({"ends_at": BEGAN.isoformat()}, 422, "request.parameter_invalid", "is not after"),
        ({"trigger_ids": [new_id()]}, 422, "request.parameter_invalid", "There is no trigger"),
        ({"pattern": {"source": "shop"}}, 422, "pattern.invalid", "source"),
        ({"name": "with space"}, 422, "request.parameter_invalid", "name"),
    ],
)
async def test_a_replay_that_cannot_be_is_refused(doors: Doors, fields: Any, status: int, code: str, word: str):
    _, trigger = await listener(doors)

    answer = await doors.api.post("/api/events/replays", json={**wanted(trigger), **fields})

    assert word in str(assert_problem(answer, status, code))


async def test_triggers_of_other_types_and_those_switched_off_take_no_replay(doors: Doors):
    workflow = await doors.workflow(name=f"w-{new_id()}")
    webhook = await doors.trigger(workflow["id"], config={"verification": {"scheme": "none"}})
    _, off = await listener(doors)
    (await doors.api.put(f"/api/triggers/{off}", json={"is_active": False})).raise_for_status()

    of_type = await doors.api.post("/api/events/replays", json=wanted(webhook["id"]))
    of_off = await doors.api.post("/api/events/replays", json=wanted(off))

    assert "'webhook'" in assert_problem(of_type, 422, "request.parameter_invalid")["detail"]
    assert of_off.status_code == 409


async def test_a_name_stands_for_one_replay(doors: Doors):
    _, trigger = await listener(doors)
    body = wanted(trigger)
    (await doors.api.post("/api/events/replays", json=body)).raise_for_status()

    answer = await doors.api.post("/api/events/replays", json={**body, "starts_at": "2026-02-01T00:00:00Z"})

    assert "other times" in assert_problem(answer, 409, "resource.conflict")["detail"]
