"""What schedules and polls cannot start: dead letters, started again, and triggers that switch themselves off."""

from typing import Any

import pytest
from sqlalchemy import text

from local.scheduler import Scheduler
from local.wiring_schedules import scheduler
from shared.clock import ManualClock
from shared.ids import new_id
from shared.ports import TaskCall
from tests.functions.conftest import Doors, definition
from tests.support.stores import now

STRICT = {"type": "object", "required": ["nothing"]}


class Source:
    """Answers every request with the same items, or fails as told."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.broken = False

    async def run(self, call: TaskCall) -> Any:
        if self.broken:
            raise RuntimeError(call)
        return {"Payload": {"output": {"status": 200, "headers": {}, "body": self.items}}}

    async def stop(self, call: TaskCall) -> None:
        raise AssertionError(call)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now())


@pytest.fixture
async def timed(doors: Doors, source: Source, clock: ManualClock) -> Scheduler:
    async with doors.stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE events, event_queue, dead_letters"))
    s = doors.stores
    return scheduler(s.engine, runner=source, blobs=s.blobs, queue=s.queue, clock=clock)


async def minutes(timed: Scheduler, clock: ManualClock, count: int) -> None:
    for _ in range(2 * count):
        clock.advance(30)
        await timed.look()


async def letters(doors: Doors, **params: Any) -> list[dict[str, Any]]:
    return (await doors.api.get("/api/dead-letters", params=params)).raise_for_status().json()["items"]


async def is_active(doors: Doors, trigger: dict[str, Any]) -> bool:
    answer = await doors.api.get(f"/api/workflows/{trigger['workflow_id']}/triggers")
    return bool(answer.json()["items"][0]["is_active"])


async def test_a_schedule_whose_workflow_refuses_its_input(doors: Doors, timed: Scheduler, clock: ManualClock):
    workflow = await doors.workflow(name=f"w-{new_id()}", input_schema=STRICT)
    config = {"cron": "* * * * *", "pause_after_failures": 3}
    trigger = await doors.trigger(workflow["id"], type="schedule", config=config)

    await minutes(timed, clock, 6)

    found = await letters(doors, stage="schedule")
    assert [each["code"] for each in found] == ["input.invalid"] * 3, "then it was switched off"
    assert await is_active(doors, trigger) is False
    state = (await doors.api.get(f"/api/triggers/{trigger['id']}/state")).json()["state"]
    assert state["paused_reason"].startswith("3 fire times in a row started nothing")
    (told,) = (await doors.api.get("/api/events")).json()["items"]
    assert (told["event"]["detail-type"], told["event"]["detail"]["trigger_id"]) == ("trigger.paused", trigger["id"])

    path = f"/api/workflows/{workflow['id']}"
    nodes = [{"id": "n", "type": "transform", "config": {"output": "{% $input %}"}}]
    (await doors.api.put(path, json=definition(workflow["name"], nodes=nodes, output="{% $n %}"))).raise_for_status()
    ids = [each["id"] for each in found]
    redriven = (await doors.api.post("/api/dead-letters/redrive", json={"ids": ids})).json()
    assert redriven["failed_count"] == 0
    started = await doors.executions(workflow["id"])
    assert len(started) == 3
    times = {(await doors.api.get(f"/api/executions/{each['id']}")).json()["input"]["time"] for each in started}
    assert len(times) == 3, "each for its own fire time"


async def test_while_the_workflow_is_paused_no_schedule_fails(doors: Doors, timed: Scheduler, clock: ManualClock):
    workflow = await doors.workflow(active=False, name=f"w-{new_id()}")
    config = {"cron": "* * * * *", "pause_after_failures": 1}
    trigger = await doors.trigger(workflow["id"], type="schedule", config=config)

    await minutes(timed, clock, 3)

    assert await letters(doors) == []
    assert await is_active(doors, trigger) is True


async def polling(doors: Doors, workflow: dict[str, Any], **config: Any) -> dict[str, Any]:
    config = {
        "interval_seconds": 30,
        "source": {"type": "http", "url": "https://shop.example/orders"},
        "detect": {"by": "ids", "id": "{% $item.id %}"},
        "first_poll": {"policy": "emit_all"},
        "input": "{% $item %}",
        **config,
    }
    return await doors.trigger(workflow["id"], type="polling", config=config)


async def test_an_item_that_the_workflow_refuses(doors: Doors, timed: Scheduler, clock: ManualClock, source: Source):
    workflow = await doors.workflow(name=f"w-{new_id()}", input_schema={"type": "object", "required": ["n"]})
    await polling(doors, workflow)
    source.items = [{"id": 1, "n": 1}, {"id": 2}, {"id": 3, "n": 3}]

    await minutes(timed, clock, 2)

    (letter,) = await letters(doors, stage="polling")
    assert len(await doors.executions(workflow["id"])) == 2
    whole = (await doors.api.get(f"/api/dead-letters/{letter['id']}")).json()
    assert whole["payload"] == {"input": {"id": 2}}
    (await doors.api.put(f"/api/workflows/{workflow['id']}", json=definition(workflow["name"]))).raise_for_status()
    redriven = (await doors.api.post(f"/api/dead-letters/{letter['id']}/redrive")).raise_for_status().json()
    execution = (await doors.api.get(f"/api/executions/{redriven['execution_id']}")).json()
    assert execution["input"] == {"id": 2}


async def test_a_source_that_fails_persistently(doors: Doors, timed: Scheduler, clock: ManualClock, source: Source):
    workflow = await doors.workflow(name=f"w-{new_id()}")
    config = {"pause_after_failures": 2, "items": "{% $response.body.nothing.at.all[99] ~> $error %}"}
    trigger = await polling(doors, workflow, **config)

    await minutes(timed, clock, 20)

    assert await is_active(doors, trigger) is False
    (told,) = (await doors.api.get("/api/events")).json()["items"]
    detail = told["event"]["detail"]
    assert (told["event"]["detail-type"], detail["trigger_id"], detail["type"]) == (
        "trigger.paused",
        trigger["id"],
        "polling",
    )
    assert "2 polls in a row failed" in detail["reason"]
