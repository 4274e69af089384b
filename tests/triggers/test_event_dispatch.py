"""Events start executions: each trigger that wants an event once, whatever dies in between."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from functions.event import core
from shared.adapters.postgres.tables import dead_letters
from shared.errors import QueueFull
from shared.executions.records import Accepted, StartRequest
from shared.ids import new_id
from shared.ports import StartQueue
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.records import MAX_DEPTH, Event, event_of
from shared.triggers.records import Trigger, TriggerType
from shared.workflow.records import Workflow, WorkflowStatus
from tests.support.stores import Stores, new_workflow, now


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.at = now()

    def now(self) -> Any:
        return self.at


@pytest.fixture(autouse=True)
async def _empty(stores: Stores) -> None:
    async with stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE events, event_queue, dead_letters, workflows CASCADE"))


@pytest.fixture
def deps(stores: Stores) -> core.Deps:
    return core.Deps(stores.events, stores.event_triggers, stores.workflows, stores.queue, stores.lifecycle, Clock())


async def workflow_of(stores: Stores, **definition: Any) -> Workflow:
    workflow, version = new_workflow()
    workflow = replace(workflow, definition=workflow.definition | definition)
    await stores.workflows.create(workflow, version)
    return workflow


async def listen(stores: Stores, workflow: Workflow, pattern: dict[str, Any], **config: Any) -> Trigger:
    at = now()
    config = {"pattern": pattern, **config}
    trigger = Trigger(new_id(), DEFAULT_PROJECT_ID, workflow.id, TriggerType.EVENT, config, True, at, at)
    await stores.triggers.create(trigger, None)
    return trigger


async def publish(stores: Stores, *, depth: int = 0, **fields: Any) -> Event:
    entry = {"source": "shop", "detail-type": "order.created", **fields}
    event = replace(event_of(entry, project_id=DEFAULT_PROJECT_ID, now=now()), depth=depth)
    await stores.events.publish(event)
    return event


async def started(stores: Stores, workflow: Workflow) -> list[Any]:
    page = await stores.executions.list(DEFAULT_PROJECT_ID, workflow_id=workflow.id, limit=200)
    found = [await stores.executions.get(DEFAULT_PROJECT_ID, each.id) for each in page.items]
    return [each for each in found if each is not None]


async def letters(stores: Stores) -> list[Any]:
    async with stores.engine.connect() as connection:
        return list((await connection.execute(select(dead_letters).order_by("id"))).all())


async def test_an_event_starts_what_wants_it_and_nothing_else(stores: Stores, deps: core.Deps):
    big, small = [await workflow_of(stores) for _ in range(2)]
    trigger = await listen(stores, big, {"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}})
    await listen(stores, small, {"source": ["shop"], "detail": {"total": [{"numeric": ["<=", 100]}]}})
    event = await publish(stores, id="order-7", detail={"total": 120})

    assert await core.dispatch(deps, core.Listeners(deps.triggers)) == 1

    (execution,) = await started(stores, big)
    assert execution.input == event.document
    assert (execution.trigger_id, execution.context["correlation_id"]) == (trigger.id, "order-7")
    assert execution.context["trigger"] == {
        "type": "event",
        "id": trigger.id,
        "event_id": "order-7",
        "source": "shop",
        "detail_type": "order.created",
        "depth": 1,
    }
    assert await started(stores, small) == []


async def test_an_expression_makes_the_input(stores: Stores, deps: core.Deps):
    workflow = await workflow_of(stores)
    await listen(stores, workflow, {"source": ["shop"]}, input={"order": "{% $event.detail.id %}", "kind": "new"})
    await publish(stores, detail={"id": 7})

    await core.dispatch(deps, core.Listeners(deps.triggers))

    assert [each.input for each in await started(stores, workflow)] == [{"order": 7, "kind": "new"}]


class Dying(StartQueue):
    """Takes a request in, then the process dies before anybody hears of it."""

    def __init__(self, queue: StartQueue) -> None:
        self._queue = queue

    async def submit(self, request: StartRequest) -> Accepted:
        await self._queue.submit(request)
        raise asyncio.CancelledError


async def test_who_dies_after_starting_starts_nothing_twice(stores: Stores, deps: core.Deps):
    workflow = await workflow_of(stores)
    triggers = [await listen(stores, workflow, {"source": ["shop"]}) for _ in range(3)]
    await publish(stores)
    with pytest.raises(asyncio.CancelledError):
        await core.dispatch(replace(deps, queue=Dying(stores.queue)), core.Listeners(deps.triggers))
    assert await core.dispatch(deps, core.Listeners(deps.triggers)) == 0, "the lease of the dead one still runs"

    deps.clock.at += core.LEASE + timedelta(seconds=1)  # type: ignore[attr-defined]
    assert await core.dispatch(deps, core.Listeners(deps.triggers)) == 1

    assert sorted(each.trigger_id for each in await started(stores, workflow)) == sorted(each.id for each in triggers)
    assert await letters(stores) == []


class Full(StartQueue):
    async def submit(self, request: StartRequest) -> Accepted:
        raise QueueFull("no room")


async def test_an_event_waits_where_the_queue_is_full(stores: Stores, deps: core.Deps):
    workflow = await workflow_of(stores)
    await listen(stores, workflow, {"source": ["shop"]})
    await publish(stores)

    await core.dispatch(replace(deps, queue=Full()), core.Listeners(deps.triggers))
    deps.clock.at += core.LEASE + timedelta(seconds=1)  # type: ignore[attr-defined]
    await core.dispatch(deps, core.Listeners(deps.triggers))

    assert len(await started(stores, workflow)) == 1
    assert await letters(stores) == []


SCHEMA = {"type": "object", "properties": {"detail": {"required": ["who"]}}}


@pytest.mark.parametrize(
    "case",
    [
        ({"input_schema": SCHEMA}, {}, {}, "input.invalid", "who"),
        ({}, {"input": "{% $event.detail.nothing %}"}, {}, "event.input", "nothing"),
        ({}, {}, {"detail": {"text": "x" * 201_000}}, "request.too_large", "at most 200000"),
        ({}, {}, {"depth": MAX_DEPTH}, "event.loop", "started one another"),
    ],
)
async def test_what_cannot_be_started_is_a_dead_letter_with_its_reason(
    stores: Stores, deps: core.Deps, case: tuple[Any, Any, Any, str, str]
):
    definition, config, fields, code, word = case
    workflow, other = await workflow_of(stores, **definition), await workflow_of(stores)
    trigger = await listen(stores, workflow, {"source": ["shop"]}, **config)
    event = await publish(stores, **fields)

    assert await core.dispatch(deps, core.Listeners(deps.triggers)) == 1

    (letter,) = await letters(stores)
    assert (letter.code, letter.trigger_id, letter.workflow_id) == (code, trigger.id, workflow.id)
    assert word in letter.reason
    assert letter.payload["event"]["id"] == event.id
    assert await started(stores, workflow) == await started(stores, other) == []


async def test_listeners_see_triggers_that_come_change_pause_and_go(stores: Stores, deps: core.Deps):
    listeners = core.Listeners(deps.triggers)
    workflow = await workflow_of(stores)

    async def seen() -> int:
        before = len(await started(stores, workflow))
        await publish(stores)
        await core.dispatch(deps, listeners)
        return len(await started(stores, workflow)) - before

    assert await seen() == 0
    trigger = await listen(stores, workflow, {"source": ["shop"]})
    assert await seen() == 1
    await stores.triggers.update(replace(trigger, config={"pattern": {"source": ["x"]}}, updated_at=now()), None)
    assert await seen() == 0
    await stores.triggers.update(replace(trigger, updated_at=now()), None)
    assert await seen() == 1
    await stores.workflows.set_status(DEFAULT_PROJECT_ID, workflow.id, WorkflowStatus.PAUSED, now())
    assert await seen() == 0
    await stores.workflows.set_status(DEFAULT_PROJECT_ID, workflow.id, WorkflowStatus.ACTIVE, now())
    assert await seen() == 1
    await stores.triggers.delete(DEFAULT_PROJECT_ID, trigger.id)
    assert await seen() == 0


async def test_a_bug_of_ours_is_tried_again_and_then_told(stores: Stores, deps: core.Deps, caplog: Any):
    workflow = await workflow_of(stores)
    trigger = await listen(stores, workflow, {"source": ["shop"]})
    listeners = core.Listeners(deps.triggers)
    await listeners.refresh()
    broken = listeners._compiled[trigger.id].config
    object.__setattr__(broken, "input_of", None)  # calling it fails
    await publish(stores)

    for _ in range(core.MAX_ATTEMPTS):
        assert await core.dispatch(deps, listeners) == 1
        deps.clock.at += core.LEASE + timedelta(seconds=1)  # type: ignore[attr-defined]

    assert await core.dispatch(deps, listeners) == 0
    assert [letter.code for letter in await letters(stores)] == ["internal"]
