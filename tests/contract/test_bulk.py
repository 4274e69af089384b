"""BulkRuns, and what feeds them: one suite for every implementation."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from shared.adapters.postgres.bulk import PostgresBulkRuns
from shared.bulk.feeding import Feeding, feed
from shared.bulk.records import BulkRun, new_bulk_id
from shared.clock import SystemClock
from shared.errors import IdempotencyMismatch, QueueFull
from shared.executions.records import Accepted, ExecutionStatus, Priority, StartRequest, StatusChange
from shared.ports import BulkRuns, StartQueue
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow, WorkflowStatus
from tests.support.stores import Stores, new_workflow, now


@pytest.fixture
def runs(stores: Stores) -> BulkRuns:
    return PostgresBulkRuns(stores.engine)


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    async with stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE workflow_executions, bulk_runs"))
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    await stores.workflows.set_status(workflow.project_id, workflow.id, WorkflowStatus.ACTIVE, now())
    return workflow


def bulk_of(workflow: Workflow, total: int, **fields: Any) -> BulkRun:
    values: dict[str, Any] = {
        "id": new_bulk_id(),
        "project_id": workflow.project_id,
        "workflow_id": workflow.id,
        "version": 1,
        "total": total,
        "submitted": 0,
        "max_in_flight": 1_000,
        "priority": Priority.LOW,
        "correlation_id": "c",
        "created_at": now(),
    }
    return BulkRun(**(values | fields))


async def kept(stores: Stores, runs: BulkRuns, bulk: BulkRun) -> BulkRun:
    await stores.blobs.put(bulk.inputs_key, b"\n".join(b'{"n": %d}' % n for n in range(bulk.total)))
    return await runs.create(bulk)


def feeding(stores: Stores, runs: BulkRuns, queue: StartQueue | None = None, worker: str = "a") -> Feeding:
    return Feeding(runs, stores.workflows, stores.blobs, queue or stores.queue, SystemClock(), worker)


async def claimed(runs: BulkRuns, worker: str = "a") -> BulkRun:
    bulk = await runs.claim(worker)
    assert bulk is not None
    return bulk


async def end(stores: Stores, execution_ids: list[str], status: ExecutionStatus) -> None:
    error = None if status is ExecutionStatus.SUCCEEDED else {"name": "E", "cause": "c"}
    for each in execution_ids:
        await stores.journal.write(each, DEFAULT_PROJECT_ID, (), StatusChange(status, now(), error=error))


async def test_every_input_starts_one_execution_however_often_it_is_fed(
    stores: Stores, runs: BulkRuns, workflow: Workflow
):
    bulk = await kept(stores, runs, bulk_of(workflow, 600))
    await feed(feeding(stores, runs), await claimed(runs))
    assert await runs.claim("b") is None, "there is nothing left to do"

    again = await runs.get(bulk.project_id, bulk.id)
    assert again is not None
    assert (again.submitted, again.closed) == (600, True)
    await feed(feeding(stores, runs), bulk)  # as after a crash before the row was written

    assert await runs.counts(bulk) == {ExecutionStatus.QUEUED: 600}
    items = await runs.items(bulk, limit=1_000)
    assert [bulk.index_of(each.execution_id) for each in items] == list(range(600))
    execution = await stores.executions.get(bulk.project_id, bulk.item_id(41))
    assert execution is not None
    assert execution.input == {"n": 41}
    assert execution.context["trigger"] == {"type": "manual", "bulk_id": bulk.id, "index": 41}


async def test_only_so_many_are_unfinished_at_once(stores: Stores, runs: BulkRuns, workflow: Workflow):
    bulk = await kept(stores, runs, bulk_of(workflow, 30, max_in_flight=10))
    task = asyncio.create_task(feed(feeding(stores, runs), await claimed(runs)))
    seen = []
    async with asyncio.timeout(30):
        while not task.done():
            waiting = [each.execution_id for each in await runs.items(bulk, statuses=[ExecutionStatus.QUEUED])]
            seen.append(len(waiting))
            await end(stores, waiting[:4], ExecutionStatus.SUCCEEDED)
            await asyncio.sleep(0.02)

    assert max(seen) == 10
    assert sum((await runs.counts(bulk)).values()) == 30


async def test_a_cancel_stops_what_is_there_and_what_was_on_its_way(stores: Stores, runs: BulkRuns, workflow: Workflow):
    bulk = await kept(stores, runs, bulk_of(workflow, 1_000, max_in_flight=300))
    task = asyncio.create_task(feed(feeding(stores, runs), await claimed(runs)))
    async with asyncio.timeout(30):
        while not await runs.counts(bulk):
            await asyncio.sleep(0.01)

        await runs.request_cancel(bulk, now())
        await task

    counts = await runs.counts(bulk)
    assert set(counts) == {ExecutionStatus.CANCELLED}
    assert sum(counts.values()) < 1_000
    ended = await runs.get(bulk.project_id, bulk.id)
    assert ended is not None
    assert ended.closed


async def test_a_cancelled_one_whose_feeder_died_is_swept_by_the_next(
    stores: Stores, runs: BulkRuns, workflow: Workflow
):
    bulk = await kept(stores, runs, bulk_of(workflow, 5))
    await runs.request_cancel(bulk, now())
    late = StartRequest(bulk.item_id(0), bulk.project_id, workflow.id, 1, {}, {}, now())
    await stores.queue.submit(late)

    await feed(feeding(stores, runs), await claimed(runs))

    assert await runs.counts(bulk) == {ExecutionStatus.CANCELLED: 1}
    assert await runs.claim("b") is None


class Full(StartQueue):
    """Has room for some, then for none for a while."""

    def __init__(self, queue: StartQueue, room: int) -> None:
        self.queue = queue
        self.room = room
        self.refused = asyncio.Event()

    async def submit(self, request: StartRequest) -> Accepted:
        if self.room < 1:
            self.refused.set()
            raise QueueFull("full", retry_after_seconds=1)
        self.room -= 1
        return await self.queue.submit(request)


async def test_a_full_queue_and_a_paused_workflow_hold_it_back_and_lose_nothing(
    stores: Stores, runs: BulkRuns, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("shared.bulk.feeding._BLOCKED_SECONDS", 0.02)
    bulk = await kept(stores, runs, bulk_of(workflow, 20))
    queue = Full(stores.queue, 7)
    task = asyncio.create_task(feed(feeding(stores, runs, queue), await claimed(runs)))
    async with asyncio.timeout(30):
        await queue.refused.wait()
        await stores.workflows.set_status(workflow.project_id, workflow.id, WorkflowStatus.PAUSED, now())
        queue.room = 1_000
        await asyncio.sleep(0.2)
        held = sum((await runs.counts(bulk)).values())
        await stores.workflows.set_status(workflow.project_id, workflow.id, WorkflowStatus.ACTIVE, now())
        await task

    assert held < 20
    assert sum((await runs.counts(bulk)).values()) == 20


async def test_one_feeder_at_a_time(stores: Stores, runs: BulkRuns, workflow: Workflow):
    bulk = await kept(stores, runs, bulk_of(workflow, 5))
    assert (await claimed(runs, "a")).id == bulk.id

    assert await runs.claim("b") is None
    assert not await runs.advance(bulk.id, "b", 3)
    await runs.give_back(bulk.id, "a")
    assert (await claimed(runs, "b")).id == bulk.id
    assert not await runs.advance(bulk.id, "a", 3)


async def test_a_feeder_may_ask_for_one_only(stores: Stores, runs: BulkRuns, workflow: Workflow):
    first, second = [await kept(stores, runs, bulk_of(workflow, 5)) for _ in range(2)]

    taken = await runs.claim("a", only=second.id)

    assert taken is not None
    assert taken.id == second.id
    assert await runs.claim("b", only=second.id) is None
    assert (await claimed(runs, "b")).id == first.id


async def test_a_feeder_stops_where_it_is_told_to_and_another_goes_on(
    stores: Stores, runs: BulkRuns, workflow: Workflow
):
    bulk = await kept(stores, runs, bulk_of(workflow, 600, max_in_flight=500))
    pauses: list[float] = []

    async def rest(seconds: float) -> bool:
        pauses.append(seconds)
        return not seconds

    await feed(feeding(stores, runs), await claimed(runs), rest)

    held = await runs.get(bulk.project_id, bulk.id)
    assert held is not None
    assert (held.submitted, held.closed, pauses[:-1], pauses[-1] > 0) == (500, False, [0, 0, 0], True)
    await runs.give_back(bulk.id, "a")
    await end(stores, [each.execution_id for each in await runs.items(bulk, limit=500)], ExecutionStatus.SUCCEEDED)
    await feed(feeding(stores, runs, worker="b"), await claimed(runs, "b"))
    assert sum((await runs.counts(bulk)).values()) == 600


async def test_what_failed_goes_on_and_nothing_else(stores: Stores, runs: BulkRuns, workflow: Workflow):
    bulk = await kept(stores, runs, bulk_of(workflow, 6))
    await feed(feeding(stores, runs), await claimed(runs))
    ids = [bulk.item_id(index) for index in range(6)]
    await end(stores, ids[:2], ExecutionStatus.FAILED)
    await end(stores, ids[2:3], ExecutionStatus.TIMED_OUT)
    await end(stores, ids[3:5], ExecutionStatus.SUCCEEDED)

    redriven = await runs.redrive_failed(bulk, now())

    statuses = Counter(await runs.counts(bulk))
    assert redriven == 3
    assert statuses == {ExecutionStatus.RUNNING: 3, ExecutionStatus.SUCCEEDED: 2, ExecutionStatus.QUEUED: 1}


async def test_the_same_key_keeps_one(stores: Stores, runs: BulkRuns, workflow: Workflow):
    first = await runs.create(bulk_of(workflow, 5, idempotency_key="k", request_digest="d"))

    again = await runs.create(bulk_of(workflow, 5, idempotency_key="k", request_digest="d"))

    assert again.id == first.id
    with pytest.raises(IdempotencyMismatch):
        await runs.create(bulk_of(workflow, 5, idempotency_key="k", request_digest="other"))


async def test_lists_and_other_projects(stores: Stores, runs: BulkRuns, workflow: Workflow):
    made = [await runs.create(bulk_of(workflow, 5)) for _ in range(3)]

    first = await runs.list(workflow.project_id, workflow_id=workflow.id, limit=2)
    second = await runs.list(workflow.project_id, limit=2, cursor=first.next_cursor)

    assert [each.id for each in [*first.items, *second.items]] == [each.id for each in reversed(made)]
    assert await runs.get("0192f0c1-0000-7000-8000-00000000ffff", made[0].id) is None
