"""The Lambda that a rule of the project's EventBridge bus invokes."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from functions.event import handler as module
from functions.event.rule import Deps, on_event
from shared.clock import SystemClock
from shared.errors import MalformedRequest, NotImplementedYet
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import Doors

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "event-delivery.json").read_bytes())
PATTERN = {"source": ["shop"]}


@pytest.fixture
def deps(doors: Doors) -> Deps:
    stores = doors.stores
    return Deps(stores.triggers, stores.events, stores.workflows, stores.queue, SystemClock())


def event(**fields: Any) -> dict[str, Any]:
    return SAMPLE["event"] | {"id": new_id()} | fields


async def test_a_redelivered_event_starts_one_execution(doors: Doors, deps: Deps):
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN})
    given = event()

    started = [await on_event(deps, DEFAULT_PROJECT_ID, trigger["id"], given) for _ in range(2)]

    assert started == [(await doors.executions(workflow["id"]))[0]["id"]] * 2
    assert len(await doors.executions(workflow["id"])) == 1


async def test_what_cannot_start_becomes_a_dead_letter(doors: Doors, deps: Deps):
    workflow = await doors.workflow(input_schema={"type": "object", "required": ["nothing"]})
    trigger = await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN})

    assert await on_event(deps, DEFAULT_PROJECT_ID, trigger["id"], event()) is None

    (letter,) = (await doors.stores.dead_letters.list(DEFAULT_PROJECT_ID, trigger_id=trigger["id"])).items
    assert (letter.code, letter.workflow_id) == ("input.invalid", workflow["id"])


async def test_a_chain_keeps_its_depth(doors: Doors, deps: Deps):
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN})
    own = event(source="millrace.executions", detail={"depth": 8})

    assert await on_event(deps, DEFAULT_PROJECT_ID, trigger["id"], own) is None

    (letter,) = (await doors.stores.dead_letters.list(DEFAULT_PROJECT_ID, trigger_id=trigger["id"])).items
    assert letter.code == "event.loop"


async def test_a_trigger_that_is_off_starts_nothing(doors: Doors, deps: Deps):
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN}, is_active=False)

    assert await on_event(deps, DEFAULT_PROJECT_ID, trigger["id"], event()) is None
    assert await doors.executions(workflow["id"]) == []


def test_the_stage_says_that_it_is_not_built():
    with pytest.raises(NotImplementedYet):
        module.handler(SAMPLE, object())


@pytest.mark.parametrize("change", [{"event": "text"}, {"extra": 1}, {"trigger_id": None}])
def test_another_event_is_refused(change: dict[str, Any]):
    with pytest.raises(MalformedRequest):
        module.handler({**SAMPLE, **change}, object())
