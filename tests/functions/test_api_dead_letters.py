"""Dead letters through the REST API: found, read, started again, put aside."""

from typing import Any

import pytest
from sqlalchemy import text

from functions.event import core
from shared.clock import SystemClock
from shared.ids import new_id
from tests.functions.conftest import Doors, assert_problem, definition

STRICT = {"type": "object", "required": ["nothing"]}
PATTERN = {"source": ["shop"]}


@pytest.fixture(autouse=True)
async def _empty(doors: Doors) -> None:
    async with doors.stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE events, event_queue, dead_letters"))


async def dispatch(doors: Doors) -> None:
    """Shows what was published to the triggers, as the stage does by itself."""
    s = doors.stores
    deps = core.Deps(s.events, s.event_triggers, s.workflows, s.queue, s.lifecycle, SystemClock())
    while await core.dispatch(deps, core.Listeners(deps.triggers)):
        pass


async def failing(doors: Doors, events: int = 1, **config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A workflow that takes nothing, its trigger; and so many events that it should have started by."""
    workflow = await doors.workflow(name=f"strict-{new_id()}", input_schema=STRICT)
    trigger = await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN, **config})
    for n in range(events):
        event = {"id": f"e{n}", "source": "shop", "detail-type": "sold", "detail": {"n": n}}
        (await doors.api.post("/api/events", json=event)).raise_for_status()
    await dispatch(doors)
    return workflow, trigger


async def letters(doors: Doors, **params: Any) -> list[dict[str, Any]]:
    answer = await doors.api.get("/api/dead-letters", params=params)
    return answer.raise_for_status().json()["items"]


async def is_active(doors: Doors, trigger: dict[str, Any]) -> bool:
    answer = await doors.api.get(f"/api/workflows/{trigger['workflow_id']}/triggers")
    (found,) = [each for each in answer.json()["items"] if each["id"] == trigger["id"]]
    return bool(found["is_active"])


async def repair(doors: Doors, workflow: dict[str, Any]) -> None:
    """Lets the workflow take anything."""
    path = f"/api/workflows/{workflow['id']}"
    (await doors.api.put(path, json=definition(workflow["name"]))).raise_for_status()


async def test_letters_are_listed_newest_first_and_read_in_whole(doors: Doors):
    workflow, trigger = await failing(doors, 3)

    found = await letters(doors)

    assert len(found) == 3
    assert found[0]["created_at"] >= found[-1]["created_at"]
    assert {(each["stage"], each["trigger_id"], each["workflow_id"]) for each in found} == {
        ("event", trigger["id"], workflow["id"])
    }
    assert (found[0]["code"], found[0]["status"], found[0]["attempts"]) == ("input.invalid", "waiting", 1)
    whole = (await doors.api.get(f"/api/dead-letters/{found[0]['id']}")).json()
    assert whole["payload"]["event"]["detail"].keys() == {"n"}
    assert "nothing" in whole["reason"]


async def test_filters_and_pages(doors: Doors):
    first, trigger = await failing(doors, 2)
    (await doors.api.delete(f"/api/triggers/{trigger['id']}")).raise_for_status()
    await failing(doors, 0)
    event = {"source": "shop", "detail-type": "sold"}
    (await doors.api.post("/api/events", json=event)).raise_for_status()
    await dispatch(doors)

    assert len(await letters(doors)) == 3
    assert len(await letters(doors, workflow_id=first["id"])) == 2
    assert len(await letters(doors, trigger_id=trigger["id"])) == 2
    assert len(await letters(doors, stage="event")) == 3
    assert await letters(doors, stage="schedule") == []
    counted = (await doors.api.get("/api/dead-letters/count")).json()
    assert counted == {"waiting": 3, "by_stage": {"event": 3, "schedule": 0, "polling": 0, "webhook": 0}}
    assert await letters(doors, status="discarded") == []
    page = (await doors.api.get("/api/dead-letters", params={"limit": 2})).json()
    rest = (await doors.api.get("/api/dead-letters", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert len({each["id"] for each in page["items"] + rest["items"]}) == 3
    assert rest["next_cursor"] is None
    refused = await doors.api.get("/api/dead-letters", params={"workflow_id": "w"})
    assert "workflow_id is 'w'" in assert_problem(refused, 422, "request.parameter_invalid")["detail"]


async def test_a_redrive_that_fails_again_says_why_and_waits_on(doors: Doors):
    await failing(doors)
    (letter,) = await letters(doors)

    answer = await doors.api.post(f"/api/dead-letters/{letter['id']}/redrive")

    assert "failed again" in assert_problem(answer, 409, "resource.conflict")["detail"]
    (after,) = await letters(doors)
    assert (after["status"], after["attempts"]) == ("waiting", 2)


async def test_a_redrive_starts_once(doors: Doors):
    workflow, _ = await failing(doors)
    (letter,) = await letters(doors)
    await repair(doors, workflow)

    answer = await doors.api.post(f"/api/dead-letters/{letter['id']}/redrive")
    again = await doors.api.post(f"/api/dead-letters/{letter['id']}/redrive")

    (execution,) = await doors.executions(workflow["id"])
    assert (answer.json()["status"], answer.json()["execution_id"]) == ("redriven", execution["id"])
    assert "it is redriven" in assert_problem(again, 409, "resource.conflict")["detail"]
    assert await letters(doors) == []
    assert len(await letters(doors, status="redriven")) == 1


async def test_many_are_settled_each_by_itself(doors: Doors):
    workflow, _ = await failing(doors, 2)
    ids = [each["id"] for each in await letters(doors)]
    await repair(doors, workflow)
    unknown = new_id()

    redriven = (await doors.api.post("/api/dead-letters/redrive", json={"ids": [*ids[:1], unknown]})).json()
    discarded = (await doors.api.post("/api/dead-letters/discard", json={"ids": ids})).json()

    assert [each["error_code"] for each in redriven["items"]] == [None, "resource.not_found"]
    assert redriven["failed_count"] == 1
    assert [(each["status"], each["error_code"]) for each in discarded["items"]] == [
        (None, "resource.conflict"),
        ("discarded", None),
    ]
    assert len(await doors.executions(workflow["id"])) == 1


async def test_a_letter_without_its_trigger_cannot_be_redriven(doors: Doors):
    _, trigger = await failing(doors)
    (letter,) = await letters(doors)
    (await doors.api.delete(f"/api/triggers/{trigger['id']}")).raise_for_status()

    answer = await doors.api.post(f"/api/dead-letters/{letter['id']}/redrive")

    assert "belongs to no trigger" in assert_problem(answer, 409, "resource.conflict")["detail"]
    discarded = await doors.api.post(f"/api/dead-letters/{letter['id']}/discard")
    assert discarded.json()["status"] == "discarded"


async def test_a_trigger_that_fails_persistently_is_switched_off_and_the_bus_tells(doors: Doors):
    watcher = await doors.workflow(name=f"watch-{new_id()}")
    paused = {"source": ["millrace.triggers"], "detail-type": ["trigger.paused"]}
    await doors.trigger(watcher["id"], type="event", config={"pattern": paused})
    _, trigger = await failing(doors, 3, pause_after_failures=3)
    await dispatch(doors)

    assert await is_active(doors, trigger) is False
    state = (await doors.api.get(f"/api/triggers/{trigger['id']}/state")).json()
    assert "3 events in a row started nothing" in state["state"]["paused_reason"]
    (told,) = await doors.executions(watcher["id"])
    event = (await doors.api.get(f"/api/executions/{told['id']}")).json()["input"]
    assert (event["detail"]["trigger_id"], event["detail"]["type"]) == (trigger["id"], "event")
    assert "in a row started nothing" in event["detail"]["reason"]


async def test_a_success_in_between_begins_the_count_anew(doors: Doors):
    workflow = await doors.workflow(name=f"w-{new_id()}", input_schema={"properties": {"detail": {"required": ["n"]}}})
    trigger = await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN, "pause_after_failures": 2})
    for detail in ({}, {"n": 1}, {}):
        event = {"source": "shop", "detail-type": "sold", "detail": detail}
        (await doors.api.post("/api/events", json=event)).raise_for_status()
        await dispatch(doors)

    assert await is_active(doors, trigger) is True
    assert len(await letters(doors)) == 2
