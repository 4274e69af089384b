"""Backlog: one suite for every implementation; and ExecutionStore.request_cancel, which it passes on."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.adapters.postgres.backlog import LEASE, PostgresBacklog
from shared.executions.records import ExecutionStatus, HistoryEvent, StartRequest, StatusChange
from shared.ids import new_id
from shared.ports import Signals
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_workflow, now

PROJECT = DEFAULT_PROJECT_ID


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    """A workflow in a backlog that holds nothing else."""
    async with stores.engine.begin() as connection:
        await connection.execute(text("DELETE FROM workflow_executions"))
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return workflow


async def submitted(stores: Stores, workflow: Workflow, count: int, worker: str | None = None) -> list[StartRequest]:
    requests = [new_request(workflow, input={"n": n}) for n in range(count)]
    for request in requests:
        await stores.queue.submit(request, worker=worker)
    return requests


async def let_leases_run_out(stores: Stores) -> None:
    async with stores.engine.begin() as connection:
        await connection.execute(text("UPDATE workflow_executions SET claimable_at = now() - interval '1 second'"))


async def ids_claimed(backlog: PostgresBacklog, worker: str, exclude: Sequence[str] = ()) -> list[str]:
    return [pending.request.execution_id for pending in await backlog.claim(100, worker, exclude)]


async def test_the_oldest_are_claimed_first_with_all_that_running_them_needs(stores: Stores, workflow: Workflow):
    requests = await submitted(stores, workflow, 3)

    first = await stores.backlog.claim(2, "a")
    second = await stores.backlog.claim(2, "a", [pending.request.execution_id for pending in first])

    assert [pending.request for pending in [*first, *second]] == requests
    assert {pending.status for pending in first} == {ExecutionStatus.QUEUED}
    assert [(pending.cancel_requested, pending.history) for pending in first] == [(False, [])] * 2


async def test_nobody_claims_what_a_live_worker_holds(stores: Stores, workflow: Workflow):
    await submitted(stores, workflow, 2)
    await submitted(stores, workflow, 2, worker="a")

    assert len(await ids_claimed(stores.backlog, "b")) == 2
    assert await ids_claimed(stores.backlog, "b") == []
    assert await ids_claimed(stores.backlog, "c") == []


async def test_concurrent_workers_share_without_overlap(stores: Stores, workflow: Workflow):
    requests = await submitted(stores, workflow, 40)

    shares = await asyncio.gather(*(stores.backlog.claim(10, f"worker-{n}") for n in range(5)))

    claimed = [pending.request.execution_id for share in shares for pending in share]
    assert len(claimed) == len(set(claimed))
    rest = await ids_claimed(stores.backlog, "worker-5")
    assert sorted([*claimed, *rest]) == [request.execution_id for request in requests]


async def test_what_a_dead_worker_held_is_claimed_with_its_history(stores: Stores, workflow: Workflow):
    first, second = await submitted(stores, workflow, 2, worker="dead")
    history = [HistoryEvent(n, n - 1, "ExecutionStarted", now(), {"n": n}) for n in (1, 2)]
    running = StatusChange(ExecutionStatus.RUNNING, now())
    await stores.journal.write(first.execution_id, PROJECT, history, running)
    await let_leases_run_out(stores)

    pending = await stores.backlog.claim(10, "alive")

    assert [each.request.execution_id for each in pending] == [first.execution_id, second.execution_id]
    assert [each.status for each in pending] == [ExecutionStatus.RUNNING, ExecutionStatus.QUEUED]
    assert [each.history for each in pending] == [history, []]


async def test_a_worker_that_comes_back_takes_its_own_up_at_once(stores: Stores, workflow: Workflow):
    requests = await submitted(stores, workflow, 2, worker="a/1")
    await submitted(stores, workflow, 1, worker="aa/1")

    await stores.backlog.reclaim("a/2")

    assert await ids_claimed(stores.backlog, "a/2") == [request.execution_id for request in requests]
    await stores.backlog.reclaim("a/2")
    assert await ids_claimed(stores.backlog, "a/2") == []


async def test_a_worker_does_not_claim_what_it_runs(stores: Stores, workflow: Workflow):
    (request,) = await submitted(stores, workflow, 1, worker="a")

    assert await ids_claimed(stores.backlog, "a") == []
    await let_leases_run_out(stores)

    assert await ids_claimed(stores.backlog, "a", [request.execution_id]) == []
    assert await ids_claimed(stores.backlog, "a") == [request.execution_id]


async def test_a_running_worker_keeps_its_leases(stores: Stores, workflow: Workflow):
    (request,) = await submitted(stores, workflow, 1, worker="a")
    await let_leases_run_out(stores)

    signals = await stores.backlog.signals([request.execution_id], "a")
    assert signals == Signals([], [], [])

    async with stores.engine.begin() as connection:
        left = await connection.scalar(text("SELECT claimable_at - now() FROM workflow_executions"))
    assert LEASE / 2 < left <= LEASE
    assert await ids_claimed(stores.backlog, "b") == []


async def test_what_has_ended_is_not_claimed(stores: Stores, workflow: Workflow):
    (request,) = await submitted(stores, workflow, 1)
    await stores.journal.write(request.execution_id, PROJECT, [], StatusChange(ExecutionStatus.SUCCEEDED, now()))

    assert await ids_claimed(stores.backlog, "a") == []


async def test_a_queued_execution_is_cancelled_at_once(stores: Stores, workflow: Workflow):
    (request,) = await submitted(stores, workflow, 1)
    at = now()

    had = await stores.executions.request_cancel(PROJECT, request.execution_id, at)

    execution = await stores.executions.get(PROJECT, request.execution_id)
    assert had is ExecutionStatus.QUEUED
    assert execution is not None
    assert (execution.status, execution.completed_at) == (ExecutionStatus.CANCELLED, at)
    assert await ids_claimed(stores.backlog, "a") == []


@pytest.mark.parametrize("begun", [True, False])
async def test_a_cancel_reaches_the_worker_that_has_the_execution(stores: Stores, workflow: Workflow, begun: bool):
    request, other = await submitted(stores, workflow, 2, worker="a")
    both = [request.execution_id, other.execution_id]
    if begun:
        await stores.journal.write(both[0], PROJECT, [], StatusChange(ExecutionStatus.RUNNING, now()))

    had = await stores.executions.request_cancel(PROJECT, both[0], now())

    assert had is (ExecutionStatus.RUNNING if begun else ExecutionStatus.QUEUED)
    assert (await stores.backlog.signals(both, "a")).cancelled == [both[0]]
    execution = await stores.executions.get(PROJECT, both[0])
    assert execution is not None
    assert not execution.status.terminal
    await let_leases_run_out(stores)
    cancel = {pending.request.execution_id: pending.cancel_requested for pending in await stores.backlog.claim(9, "b")}
    assert cancel == {both[0]: True, both[1]: False}


async def test_a_cancel_of_what_has_ended_changes_nothing(stores: Stores, workflow: Workflow):
    (request,) = await submitted(stores, workflow, 1)
    await stores.journal.write(request.execution_id, PROJECT, [], StatusChange(ExecutionStatus.SUCCEEDED, now()))
    before = await stores.executions.get(PROJECT, request.execution_id)

    had = await stores.executions.request_cancel(PROJECT, request.execution_id, now() + timedelta(hours=1))

    assert had is ExecutionStatus.SUCCEEDED
    assert await stores.executions.get(PROJECT, request.execution_id) == before


async def test_a_cancel_of_nothing_is_none(stores: Stores, workflow: Workflow):
    (request,) = await submitted(stores, workflow, 1)

    assert await stores.executions.request_cancel(PROJECT, new_id(), now()) is None
    assert await stores.executions.request_cancel(PROJECT, "no-id", now()) is None
    assert await stores.executions.request_cancel(new_id(), request.execution_id, now()) is None
    assert (await stores.backlog.signals([request.execution_id], "a")).cancelled == []


async def test_lists_of_executions_are_small_and_filtered(stores: Stores, workflow: Workflow):
    requests = await submitted(stores, workflow, 3)
    await stores.journal.write(requests[1].execution_id, PROJECT, [], StatusChange(ExecutionStatus.FAILED, now()))
    listed = stores.executions.list

    everything = await listed(PROJECT, workflow_id=workflow.id)
    failed = await listed(PROJECT, workflow_id=workflow.id, status=ExecutionStatus.FAILED)
    first = await listed(PROJECT, limit=2)
    second = await listed(PROJECT, limit=2, cursor=first.next_cursor)

    newest_first = [request.execution_id for request in requests[::-1]]
    assert [execution.id for execution in everything.items] == newest_first
    assert [execution.id for execution in [*first.items, *second.items]] == newest_first
    assert [execution.id for execution in failed.items] == [requests[1].execution_id]
    assert {(execution.input, execution.result) for execution in everything.items} == {(None, None)}
    assert (await listed(PROJECT, workflow_id=new_id())).items == []
    assert list((await listed(PROJECT, workflow_id="no-id")).items) == []
    assert (await listed(new_id())).items == []
