"""Replays on AWS: asked for through the API, shown page by page by their machine, over the real database. Step
Functions is played by our own interpreter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from functions.event import handler as module
from functions.event import replays
from shared import repeating
from shared.adapters.aws import repeating as aws_repeating
from shared.adapters.aws.events import AwsReplays
from shared.adapters.aws.repeating import Repeating
from shared.clock import SystemClock
from shared.errors import QueueFull
from shared.executions.records import Accepted, ExecutionStatus, StartRequest
from shared.ids import new_id
from shared.ports import StartQueue
from shared.repeating import Answer, Step
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import Doors, assert_problem
from tests.support.repeating import StepFunctions

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "replay-step.json").read_bytes())


class Queue(StartQueue):
    """The database's queue, unless it is `full`."""

    def __init__(self, rows: StartQueue) -> None:
        self.rows, self.full = rows, False

    async def submit(self, request: StartRequest) -> Accepted:
        if self.full:
            raise QueueFull("full", retry_after_seconds=1)
        return await self.rows.submit(request)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    made = StepFunctions()
    monkeypatch.setattr(aws_repeating, "client", lambda service: made)
    monkeypatch.setattr(repeating, "_LEAST_SECONDS", 0)
    return made


class World:
    """A listening workflow, events of the past, and the function that replays them."""

    def __init__(self, doors: Doors, workflow_id: str, trigger_id: str) -> None:
        self.doors, self.workflow_id, self.trigger_id = doors, workflow_id, trigger_id
        s = doors.stores
        self.queue = Queue(s.queue)
        self.deps = replays.Deps(s.replays, s.archive, s.triggers, s.workflows, self.queue, SystemClock())
        api = doors.api_app.state
        api.deps = replace(api.deps, replays=AwsReplays(s.replays, Repeating("arn:machine")))

    async def function(self, given: dict[str, Any]) -> Answer:
        return await replays.go_on(self.deps, Step.model_validate(given))

    async def publish(self, count: int) -> None:
        batch = [{"source": "shop", "detail-type": "sold", "detail": {"n": n}} for n in range(count)]
        (await self.doors.api.post("/api/events", json=batch)).raise_for_status()

    async def ask(self, name: str) -> Any:
        end = datetime.now(UTC) + timedelta(minutes=1)
        times = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": end.replace(second=0, microsecond=0).isoformat()}
        body = {"name": name, "trigger_ids": [self.trigger_id], **times}
        return await self.doors.api.post("/api/events/replays", json=body)

    async def shown(self, replay_id: str) -> dict[str, Any]:
        return (await self.doors.api.get(f"/api/events/replays/{replay_id}")).raise_for_status().json()


@pytest.fixture
async def world(doors: Doors, aws: StepFunctions) -> World:
    async with doors.stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE events, event_queue, event_replays, dead_letters"))
    workflow = await doors.workflow(name=f"w-{new_id()}")
    config = {"pattern": {"source": ["shop"]}, "input": "{% $event %}"}
    trigger = await doors.trigger(workflow["id"], type="event", config=config)
    return World(doors, workflow["id"], trigger["id"])


async def test_a_replay_is_shown_to_its_end(world: World, aws: StepFunctions, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replays, "PAGE", 10)
    await world.publish(25)
    replay = (await world.ask("again")).raise_for_status().json()
    other = (await world.ask("another")).raise_for_status().json()

    change = await aws.run(replay["id"], world.function)

    assert change.status is ExecutionStatus.SUCCEEDED
    ended = await world.shown(replay["id"])
    assert (ended["status"], ended["scanned"], ended["delivered"]) == ("completed", 25, 25)
    assert len(await world.doors.executions(world.workflow_id)) == 25
    assert (await world.shown(other["id"]))["scanned"] == 0, "each has a machine of its own"


async def test_a_step_that_has_no_time_left_is_followed_by_the_next(
    world: World, aws: StepFunctions, monkeypatch: pytest.MonkeyPatch
):
    clock = SimpleNamespace(monotonic=lambda: next(seconds))
    monkeypatch.setattr(replays, "PAGE", 10)
    monkeypatch.setattr(replays, "time", clock)
    await world.publish(25)
    replay = (await world.ask("again")).json()
    seconds = iter([0.0, 0.0, 50.0])  # begins, looks, looks

    answer = await world.function(aws.started[replay["id"]])

    assert answer == repeating.at_once()
    assert (await world.shown(replay["id"]))["scanned"] == 10
    clock.monotonic = lambda: 0.0
    await aws.run(replay["id"], world.function)
    assert (await world.shown(replay["id"]))["delivered"] == 25


async def test_where_the_queue_is_full_it_comes_back_later(world: World, aws: StepFunctions):
    await world.publish(3)
    replay = (await world.ask("again")).json()
    world.queue.full = True

    answer = await world.function(aws.started[replay["id"]] | {"idle": 2})

    assert (answer["done"], answer["idle"]) == (False, 3)
    world.queue.full = False
    async with world.doors.stores.engine.begin() as connection:
        await connection.execute(text("UPDATE event_replays SET claimed_until = now() - interval '1 second'"))
    await aws.run(replay["id"], world.function)
    assert (await world.shown(replay["id"]))["delivered"] == 3


async def test_a_cancelled_one_shows_nothing_more(world: World, aws: StepFunctions):
    await world.publish(3)
    replay = (await world.ask("again")).json()
    (await world.doors.api.post(f"/api/events/replays/{replay['id']}/cancel")).raise_for_status()

    await aws.run(replay["id"], world.function)

    assert await world.doors.executions(world.workflow_id) == []
    assert (await world.shown(replay["id"]))["status"] == "cancelled"


async def test_where_no_machine_can_be_started_nothing_is_kept(world: World, aws: StepFunctions):
    aws.away = True

    answer = await world.ask("again")

    assert_problem(answer, 503, "platform.store_unavailable")
    assert (await world.doors.api.get("/api/events/replays")).json()["items"] == []


async def test_asking_once_more_goes_on_with_the_one_there_is(world: World, aws: StepFunctions):
    await world.publish(3)
    replay = (await world.ask("again")).json()

    again = (await world.ask("again")).json()

    assert again["id"] == replay["id"]
    names = sorted(set(aws.started) - {replay["id"]}, key=lambda name: not name.startswith(replay["id"]))
    for name in reversed(names):  # the one whose row never came ends, too
        await aws.run(name, world.function)
    assert (await world.shown(replay["id"]))["status"] == "completed"


def test_the_sample_is_a_step(monkeypatch: pytest.MonkeyPatch):
    seen: list[Step] = []

    async def go_on(deps: Any, wanted: Step) -> Answer:
        seen.append(wanted)
        return repeating.done()

    monkeypatch.setattr(module, "_replaying", lambda: None)
    monkeypatch.setattr(replays, "go_on", go_on)

    assert module.handler(SAMPLE, object()) == {"done": True, "seconds": 0, "idle": 0}
    assert [(each.id, each.project_id) for each in seen] == [(SAMPLE["id"], DEFAULT_PROJECT_ID)]
