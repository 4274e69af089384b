"""Executions tell the bus that they began and ended: nothing is lost, nothing told twice, and chains have an end."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from functions.event import core
from local.put_events import PUT_EVENTS, PutEvents
from shared.adapters.postgres.tables import dead_letters, event_queue, events
from shared.executions.records import ExecutionStatus, HistoryEvent, StatusChange
from shared.ids import new_id
from shared.ports import TaskCall, TaskFailed
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.lifecycle import MAX_OUTPUT_BYTES
from shared.triggers.events.records import MAX_DEPTH
from shared.triggers.records import Trigger, TriggerType
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_workflow, now


class Clock:
    def now(self) -> Any:
        return now()


@pytest.fixture(autouse=True)
async def _empty(stores: Stores) -> None:
    async with stores.engine.begin() as connection:
        await connection.execute(
            text("TRUNCATE events, event_queue, execution_outbox, dead_letters, workflows CASCADE")
        )


@pytest.fixture
def deps(stores: Stores) -> core.Deps:
    return core.Deps(stores.events, stores.event_triggers, stores.workflows, stores.queue, stores.lifecycle, Clock())


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    """A workflow of a project that listens to something."""
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    await listen(stores, workflow, {"source": ["elsewhere"]})
    return workflow


async def begun(stores: Stores, workflow: Workflow, **fields: Any) -> str:
    request = new_request(workflow, **fields)
    await stores.queue.submit(request)
    await stores.journal.write(
        request.execution_id,
        DEFAULT_PROJECT_ID,
        [HistoryEvent(1, 0, "ExecutionStarted", now())],
        StatusChange(ExecutionStatus.RUNNING, now()),
    )
    return request.execution_id


async def end(stores: Stores, execution_id: str, change: StatusChange, number: int = 2) -> None:
    event = HistoryEvent(number, number - 1, "ExecutionEnded", now())
    await stores.journal.write(execution_id, DEFAULT_PROJECT_ID, [event], change)


async def told(stores: Stores) -> list[tuple[str, dict[str, Any]]]:
    async with stores.engine.connect() as connection:
        rows = (await connection.execute(select(events.c.document).order_by("key"))).scalars().all()
    return [(each["detail-type"], each["detail"]) for each in rows]


async def test_an_execution_tells_that_it_began_and_how_it_ended(stores: Stores, deps: core.Deps, workflow: Workflow):
    listeners = core.Listeners(deps.triggers)
    execution_id = await begun(stores, workflow)
    assert await core.relay(deps, listeners) == 1
    await end(stores, execution_id, StatusChange(ExecutionStatus.SUCCEEDED, now(), result={"answer": 42}))
    assert await core.relay(deps, listeners) == 1
    assert await core.relay(deps, listeners) == 0

    (started, first), (succeeded, last) = await told(stores)

    assert (started, succeeded) == ("execution.started", "execution.succeeded")
    assert (first["execution_id"], first["workflow"], first["status"]) == (execution_id, workflow.name, "running")
    assert (last["output"], last["output_included"], last["depth"]) == ({"answer": 42}, True, 0)
    assert last["started_at"]
    assert last["completed_at"]


async def test_nothing_is_noted_where_nobody_listens(stores: Stores, deps: core.Deps):
    """So that executions of such a project cost no more than without a bus."""
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    execution_id = await begun(stores, workflow)
    await end(stores, execution_id, StatusChange(ExecutionStatus.SUCCEEDED, now()))

    assert await core.relay(deps, core.Listeners(deps.triggers)) == 0


async def test_a_run_of_one_write_tells_both(stores: Stores, deps: core.Deps, workflow: Workflow):
    request = new_request(workflow)
    await stores.queue.submit(request)
    await end(stores, request.execution_id, StatusChange(ExecutionStatus.FAILED, now(), error={"name": "E"}), number=1)

    assert await core.relay(deps, core.Listeners(deps.triggers)) == 2

    assert sorted(name for name, _ in await told(stores)) == ["execution.failed", "execution.started"]
    assert next(detail for name, detail in await told(stores) if name == "execution.failed")["error"] == {"name": "E"}


async def test_a_repeated_write_of_the_journal_tells_nothing_again(stores: Stores, deps: core.Deps, workflow: Workflow):
    execution_id = await begun(stores, workflow)
    change = StatusChange(ExecutionStatus.SUCCEEDED, now(), result=1)
    for _ in range(2):
        await stores.journal.write(execution_id, DEFAULT_PROJECT_ID, [], change)

    await core.relay(deps, core.Listeners(deps.triggers))

    assert [name for name, _ in await told(stores)] == ["execution.started", "execution.succeeded"]


async def test_an_execution_that_is_cancelled_before_it_began_tells_that_only(
    stores: Stores, deps: core.Deps, workflow: Workflow
):
    request = new_request(workflow)
    await stores.queue.submit(request)
    for _ in range(2):
        await stores.executions.request_cancel(DEFAULT_PROJECT_ID, request.execution_id, now())

    await core.relay(deps, core.Listeners(deps.triggers))

    assert [name for name, _ in await told(stores)] == ["execution.cancelled"]


async def test_a_redriven_execution_tells_each_of_its_ends(stores: Stores, deps: core.Deps, workflow: Workflow):
    execution_id = await begun(stores, workflow)
    await end(stores, execution_id, StatusChange(ExecutionStatus.FAILED, now(), error={"name": "E"}))
    await stores.executions.request_redrive(DEFAULT_PROJECT_ID, execution_id, now())
    await end(stores, execution_id, StatusChange(ExecutionStatus.SUCCEEDED, now(), result=1), number=3)

    await core.relay(deps, core.Listeners(deps.triggers))

    assert [name for name, _ in await told(stores)] == [
        "execution.started",
        "execution.failed",
        "execution.succeeded",
    ]


async def test_a_long_output_is_left_out(stores: Stores, deps: core.Deps, workflow: Workflow):
    execution_id = await begun(stores, workflow)
    result = "x" * MAX_OUTPUT_BYTES
    await end(stores, execution_id, StatusChange(ExecutionStatus.SUCCEEDED, now(), result=result))

    await core.relay(deps, core.Listeners(deps.triggers))

    _, detail = (await told(stores))[-1]
    assert (detail["output_included"], "output" in detail) == (False, False)


async def listen(stores: Stores, workflow: Workflow, pattern: dict[str, Any], **config: Any) -> Trigger:
    at = now()
    config = {"pattern": pattern, **config}
    trigger = Trigger(new_id(), DEFAULT_PROJECT_ID, workflow.id, TriggerType.EVENT, config, True, at, at)
    await stores.triggers.create(trigger, None)
    return trigger


async def test_only_what_somebody_wants_is_dispatched(stores: Stores, deps: core.Deps, workflow: Workflow):
    await listen(stores, workflow, {"detail-type": ["execution.failed"], "detail": {"workflow": ["other"]}})
    await begun(stores, workflow)

    await core.relay(deps, core.Listeners(deps.triggers))

    async with stores.engine.connect() as connection:
        assert (await connection.execute(select(event_queue))).all() == []


async def test_workflows_follow_one_another_until_it_is_a_loop(stores: Stores, deps: core.Deps, workflow: Workflow):
    await listen(stores, workflow, {"detail-type": ["execution.succeeded"]}, input="{% $event.detail.output + 1 %}")
    listeners = core.Listeners(deps.triggers)
    await end(stores, await begun(stores, workflow), StatusChange(ExecutionStatus.SUCCEEDED, now(), result=0))

    inputs: list[Any] = []
    while await core.relay(deps, listeners) + await core.dispatch(deps, listeners):
        for pending in await stores.backlog.claim(10, f"{new_id()}/1"):
            request = pending.request
            inputs.append(request.input)
            change = StatusChange(ExecutionStatus.SUCCEEDED, now(), result=request.input)
            await end(stores, request.execution_id, change, number=1)

    assert inputs == list(range(1, MAX_DEPTH + 1))
    async with stores.engine.connect() as connection:
        letters = (await connection.execute(select(dead_letters))).all()
    assert [letter.code for letter in letters] == ["event.loop"]


async def test_a_nested_execution_does_not_hide_a_loop(stores: Stores, deps: core.Deps, workflow: Workflow):
    trigger = {"type": "event", "depth": 3}
    parent = await begun(stores, workflow, context={"trigger": trigger, "correlation_id": "c"})
    child = {"trigger": {"type": "workflow"}, "correlation_id": "c", "parent": {"execution_id": parent}}
    await begun(stores, workflow, context=child)

    await core.relay(deps, core.Listeners(deps.triggers))

    assert [detail["depth"] for _, detail in await told(stores)] == [3, 3]


def call_of(execution_id: str, *entries: Any) -> TaskCall:
    return TaskCall(execution_id, DEFAULT_PROJECT_ID, "tell", PUT_EVENTS, {"Entries": list(entries)}, 0)


async def test_a_task_publishes_as_deep_as_its_execution(stores: Stores, workflow: Workflow):
    execution_id = await begun(stores, workflow, context={"trigger": {"type": "event", "depth": 2}})
    puts = PutEvents(stores.events, stores.executions, Clock())
    entry = {"Source": "shop", "DetailType": "sold", "EventBusName": "project"}

    answer = await puts.run(call_of(execution_id, {**entry, "Detail": {"n": 1}}, {**entry, "Detail": '{"n": 2}'}))

    async with stores.engine.connect() as connection:
        rows = (await connection.execute(select(events).order_by("key"))).all()
    assert [(row.document["source"], row.document["detail"]["n"], row.depth) for row in rows] == [
        ("shop", 1, 2),
        ("shop", 2, 2),
    ]
    assert answer == {"Entries": [{"EventId": row.id} for row in rows], "FailedEntryCount": 0}


@pytest.mark.parametrize(
    ("entries", "error", "word"),
    [
        ([], "EventBridge.ValidationException", "1 to 10"),
        ([5], "EventBridge.ValidationException", "5"),
        ([{"Source": "millrace.x", "DetailType": "t"}], "EventBridge.FailedEntry", "platform"),
        ([{"Source": "s", "DetailType": "t", "Detail": "{"}], "EventBridge.FailedEntry", "not JSON"),
    ],
)
async def test_a_task_that_cannot_publish_fails(stores: Stores, entries: list[Any], error: str, word: str):
    with pytest.raises(TaskFailed) as failed:
        await PutEvents(stores.events, stores.executions, Clock()).run(call_of(new_id(), *entries))

    assert failed.value.error == error
    assert word in failed.value.cause


async def test_who_dies_while_relaying_loses_nothing(stores: Stores, deps: core.Deps, workflow: Workflow):
    await begun(stores, workflow)

    class Broken(Clock):
        def now(self) -> Any:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await core.relay(replace(deps, clock=Broken()), core.Listeners(deps.triggers))

    assert await core.relay(deps, core.Listeners(deps.triggers)) == 1
    assert [name for name, _ in await told(stores)] == ["execution.started"]
