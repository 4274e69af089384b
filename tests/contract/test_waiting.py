"""Executions that wait: parked ones, completions of their tasks, admission, redrive. Backlog, TaskCompletions and
Admission share rows, so one suite holds them together."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.adapters.postgres.admission import PostgresAdmission
from shared.adapters.postgres.backlog import EARLY, LEASE
from shared.adapters.postgres.queue import PostgresQueue
from shared.errors import Conflict, LeaseLost, QueueFull
from shared.executions.records import (
    ExecutionStatus,
    HistoryEvent,
    Priority,
    StartRequest,
    StatusChange,
    TaskCompletion,
)
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_version, new_workflow, now

PROJECT = DEFAULT_PROJECT_ID
RUNNING, FAILED = ExecutionStatus.RUNNING, ExecutionStatus.FAILED


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    """A workflow in a backlog that holds nothing else."""
    async with stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE workflow_executions, execution_events, task_completions"))
        await connection.execute(text("UPDATE projects SET max_concurrency = NULL"))
    return await stored(stores)


async def stored(stores: Stores, **settings: Any) -> Workflow:
    workflow, _ = new_workflow()
    workflow = replace(workflow, definition={**workflow.definition, "settings": settings})
    await stores.workflows.create(workflow, new_version(workflow))
    return workflow


async def running(stores: Stores, workflow: Workflow, worker: str = "a/1", **fields: Any) -> StartRequest:
    """An execution that the worker has begun."""
    request = new_request(workflow, **fields)
    await stores.queue.submit(request, worker=worker)
    await stores.journal.write(request.execution_id, PROJECT, [event(1)], StatusChange(RUNNING, now()))
    return request


def event(number: int, kind: str = "PassStateEntered") -> HistoryEvent:
    return HistoryEvent(number, number - 1, kind, now(), {})


def completion(request: StartRequest, token: str = "t", kind: Any = "succeeded", **fields: Any) -> TaskCompletion:
    return TaskCompletion(request.execution_id, token, kind, now(), **fields)


async def claimed(stores: Stores, worker: str = "b/1") -> list[str]:
    return [pending.request.execution_id for pending in await stores.backlog.claim(100, worker)]


async def expire(stores: Stores) -> None:
    async with stores.engine.begin() as connection:
        await connection.execute(text("UPDATE workflow_executions SET claimable_at = now() - interval '1 second'"))


async def test_a_parked_execution_is_claimed_when_its_time_comes(stores: Stores, workflow: Workflow):
    soon, later, never = [await running(stores, workflow) for _ in range(3)]
    times = [now() + EARLY / 2, now() + timedelta(hours=1), None]
    parked = [(each.execution_id, at) for each, at in zip((soon, later, never), times, strict=True)]

    await stores.backlog.park(parked, "a/1")

    assert await claimed(stores) == [soon.execution_id]
    assert (await stores.backlog.signals([later.execution_id], "a/1")).lost == [later.execution_id]
    await stores.backlog.reclaim("a/2")
    assert await claimed(stores, "a/2") == []


async def test_only_its_worker_parks_an_execution(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)

    await stores.backlog.park([(request.execution_id, None)], "b/1")

    assert (await stores.backlog.signals([request.execution_id], "a/1")).lost == []


@pytest.mark.parametrize("before", [True, False], ids=["before it is parked", "while it is parked"])
async def test_a_completion_wakes_a_parked_execution(stores: Stores, workflow: Workflow, before: bool):
    request = await running(stores, workflow)
    told = completion(request, output={"ok": True})
    if before:
        assert await stores.completions.submit(told)
    await stores.backlog.park([(request.execution_id, None)], "a/1")
    if not before:
        assert await claimed(stores) == []
        assert await stores.completions.submit(told)

    (pending,) = await stores.backlog.claim(10, "b/1")

    assert list(pending.completions) == [told]
    assert [each.id for each in pending.history] == [1]


async def test_a_cancel_wakes_a_parked_execution(stores: Stores, workflow: Workflow):
    request, other = await running(stores, workflow), await running(stores, workflow)
    await stores.backlog.park([(request.execution_id, None), (other.execution_id, None)], "a/1")

    await stores.executions.request_cancel(PROJECT, request.execution_id, now())

    (pending,) = await stores.backlog.claim(10, "b/1")
    assert (pending.request.execution_id, pending.cancel_requested) == (request.execution_id, True)


async def test_a_completion_is_heard_by_the_worker_that_runs_the_execution_once(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    told = [completion(request, "a", output=[1]), completion(request, "b", "failed", error="E", cause="c")]
    for each in told:
        assert await stores.completions.submit(each)

    heard = await stores.backlog.signals([request.execution_id], "a/1")
    again = await stores.backlog.signals([request.execution_id], "a/1")

    assert heard.completions == told
    assert again.completions == []


async def test_completions_are_given_again_to_the_next_worker(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    told = completion(request)
    await stores.completions.submit(told)
    await stores.backlog.signals([request.execution_id], "a/1")
    await expire(stores)

    (pending,) = await stores.backlog.claim(10, "b/1")

    assert list(pending.completions) == [told]


async def test_the_first_completion_of_a_token_counts(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    first, second = completion(request, output=1), completion(request, kind="failed", error="E")

    answers = await asyncio.gather(*(stores.completions.submit(each) for each in (first, second)))

    assert answers == [True, False]
    assert not await stores.completions.submit(second)
    assert (await stores.backlog.signals([request.execution_id], "a/1")).completions == [first]


async def test_each_heartbeat_is_heard_of(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    for _ in range(2):
        beat = completion(request, kind="heartbeat")
        assert await stores.completions.submit(beat)
        assert (await stores.backlog.signals([request.execution_id], "a/1")).completions == [beat]


async def test_nothing_is_completed_of_what_has_ended_or_never_was(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    await stores.journal.write(request.execution_id, PROJECT, [event(2)], StatusChange(FAILED, now()))

    assert not await stores.completions.submit(completion(request))
    assert not await stores.completions.submit(replace(completion(request), execution_id=new_id()))
    assert not await stores.completions.submit(replace(completion(request), execution_id="no-id"))


async def test_the_end_of_an_execution_completes_its_parents_task(stores: Stores, workflow: Workflow):
    parent, child = await running(stores, workflow), await running(stores, workflow)
    await stores.backlog.park([(parent.execution_id, None)], "a/1")
    told = completion(parent, output={"Output": 7})
    end = StatusChange(ExecutionStatus.SUCCEEDED, now(), result=7)

    await stores.journal.write(child.execution_id, PROJECT, [event(2)], end, told)

    (pending,) = await stores.backlog.claim(10, "b/1")
    assert (pending.request.execution_id, list(pending.completions)) == (parent.execution_id, [told])


async def test_of_two_workers_with_one_execution_the_second_to_write_is_told(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    theirs, ours = [event(2), event(3)], [event(2), event(3), event(4)]
    await stores.journal.write(request.execution_id, PROJECT, theirs)

    with pytest.raises(LeaseLost):
        await stores.journal.write(request.execution_id, PROJECT, ours, StatusChange(FAILED, now()))

    history = await stores.executions.history(request.execution_id)
    assert list(history[1:]) == theirs
    execution = await stores.executions.get(PROJECT, request.execution_id)
    assert execution is not None
    assert execution.status is RUNNING


async def test_a_lost_execution_harms_no_other_in_its_group(stores: Stores, workflow: Workflow):
    lost, other = await running(stores, workflow), await running(stores, workflow)
    await stores.journal.write(lost.execution_id, PROJECT, [event(2)])

    writes = [stores.journal.write(each.execution_id, PROJECT, [event(2)]) for each in (lost, other)]
    answers = await asyncio.gather(*writes, return_exceptions=True)

    assert [type(answer) for answer in answers] == [LeaseLost, type(None)]
    assert len(await stores.executions.history(other.execution_id)) == 2


async def test_workers_that_die_with_an_execution_are_counted_until_it_gets_on(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    attempts = []
    for life in range(1, 5):
        await expire(stores)
        (pending,) = await stores.backlog.claim(1, f"w/{life}")
        attempts.append(pending.attempts)
        if life == 3:
            await stores.journal.write(request.execution_id, PROJECT, [event(2)])

    assert attempts == [0, 1, 2, 0]


async def test_what_is_given_back_counts_against_nobody(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    for life in range(1, 4):
        await stores.backlog.release([request.execution_id], f"w/{life - 1}" if life > 1 else "a/1")
        (pending,) = await stores.backlog.claim(1, f"w/{life}")
        assert pending.attempts == 0


async def test_high_priority_is_claimed_first(stores: Stores, workflow: Workflow):
    order = (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.LOW, Priority.HIGH)
    requests = [new_request(workflow, priority=priority) for priority in order]
    for request in requests:
        await stores.queue.submit(request)

    first = await stores.backlog.claim(3, "a/1")
    second = await stores.backlog.claim(3, "a/1")

    assert [pending.request for pending in (*first, *second)] == [requests[n] for n in (2, 4, 1, 0, 3)]


async def test_long_histories_are_claimed_a_few_at_a_time(stores: Stores, workflow: Workflow, monkeypatch: Any):
    monkeypatch.setattr("shared.adapters.postgres.backlog._MAX_EVENTS", 5)
    requests = [await running(stores, workflow) for _ in range(4)]
    for request in requests:
        await stores.journal.write(request.execution_id, PROJECT, [event(2), event(3)])
    await expire(stores)

    shares = [len(await stores.backlog.claim(10, "b/1")) for _ in range(5)]

    assert shares == [1, 1, 1, 1, 0]


async def test_only_so_many_of_a_workflow_run_at_once(stores: Stores, workflow: Workflow):
    limited = await stored(stores, max_concurrency=2)
    requests = [new_request(limited, priority=Priority.HIGH if n == 4 else Priority.NORMAL) for n in range(5)]
    accepted = [await stores.queue.submit(request, worker="a/1") for request in requests]
    free = new_request(workflow)
    await stores.queue.submit(free)

    assert [each.admitted for each in accepted] == [False] * 5
    assert await claimed(stores) == [free.execution_id]
    assert await stores.admission.admit() == 2
    assert await stores.admission.admit() == 0
    begun = await claimed(stores)
    assert begun == [requests[4].execution_id, requests[0].execution_id]
    await stores.backlog.park([(begun[0], None)], "b/1")
    assert await stores.admission.admit() == 0, "a parked execution has begun and not ended"
    await stores.journal.write(begun[1], PROJECT, [event(1)], StatusChange(ExecutionStatus.SUCCEEDED, now()))
    assert await stores.admission.admit() == 1
    assert await claimed(stores) == [requests[1].execution_id]


async def test_only_so_many_of_a_project_run_at_once(stores: Stores, workflow: Workflow):
    async with stores.engine.begin() as connection:
        await connection.execute(text("UPDATE projects SET max_concurrency = 3"))
    limited = await stored(stores, max_concurrency=1)
    requests = [new_request(each) for each in (limited, limited, workflow, workflow, workflow)]
    for request in requests:
        await stores.queue.submit(request)

    assert await stores.admission.admit() == 3
    assert await claimed(stores) == [requests[n].execution_id for n in (0, 2, 3)]


async def test_two_that_admit_at_once_do_not_pass_the_limit(stores: Stores, workflow: Workflow):
    limited = await stored(stores, max_concurrency=3)
    for _ in range(20):
        await stores.queue.submit(new_request(limited))

    await asyncio.gather(*(stores.admission.admit() for _ in range(5)))

    assert len(await claimed(stores)) == 3


async def test_who_does_not_look_again_waits_for_who_admits_and_sees_what_ended_meanwhile(stores: Stores):
    limited = await stored(stores, max_concurrency=1)
    first, second = new_request(limited), new_request(limited)
    await stores.queue.submit(first)
    await stores.queue.submit(second)
    await stores.admission.admit()
    async with stores.engine.begin() as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(hashtext('millrace admission'))"))
        looking = asyncio.create_task(PostgresAdmission(stores.engine, waits=True).admit())
        assert await stores.admission.admit() == 0, "the local stage's looks again"
        await stores.journal.write(first.execution_id, PROJECT, [], StatusChange(ExecutionStatus.SUCCEEDED, now()))

    assert await looking == 1


async def test_one_that_waits_to_be_admitted_is_cancelled_at_once(stores: Stores, workflow: Workflow):
    limited = await stored(stores, max_concurrency=1)
    requests = [new_request(limited) for _ in range(2)]
    for request in requests:
        await stores.queue.submit(request)

    await stores.executions.request_cancel(PROJECT, requests[0].execution_id, now())

    assert await stores.admission.admit() == 1
    assert await claimed(stores) == [requests[1].execution_id]


async def test_a_full_queue_refuses_until_some_have_begun(stores: Stores, postgres_url: str, workflow: Workflow):
    queue = PostgresQueue(postgres_url, max_queued=3)
    try:
        for _ in range(3):
            await queue.submit(new_request(workflow))
        with pytest.raises(QueueFull) as caught:
            await queue.submit(new_request(workflow))
    finally:
        await queue.close()
    assert caught.value.details["retry_after_seconds"] > 0
    assert len(await claimed(stores)) == 3


async def test_a_redriven_execution_is_claimed_with_its_history(stores: Stores, workflow: Workflow):
    request = await running(stores, workflow)
    failed = StatusChange(FAILED, now(), error={"name": "E", "cause": "c"})
    await stores.journal.write(request.execution_id, PROJECT, [event(2, "ExecutionFailed")], failed)

    had = await stores.executions.request_redrive(PROJECT, request.execution_id, now())

    (pending,) = await stores.backlog.claim(10, "b/1")
    execution = await stores.executions.get(PROJECT, request.execution_id)
    assert execution is not None
    assert (had, execution.status, execution.error, execution.completed_at) == (FAILED, RUNNING, None, None)
    assert (pending.redrive, len(pending.history)) == (True, 2)
    await stores.journal.write(request.execution_id, PROJECT, [event(3, "ExecutionRedriven")])
    await expire(stores)
    (again,) = await stores.backlog.claim(10, "c/1")
    assert not again.redrive, "it has begun to"


async def test_what_cannot_be_redriven_says_why(stores: Stores, workflow: Workflow):
    redrive = stores.executions.request_redrive
    unfinished, done, express = (
        await running(stores, workflow),
        await running(stores, workflow),
        await running(stores, await stored(stores, mode="express")),
    )
    await stores.journal.write(done.execution_id, PROJECT, [event(2)], StatusChange(ExecutionStatus.SUCCEEDED, now()))
    await stores.journal.write(express.execution_id, PROJECT, [event(2)], StatusChange(FAILED, now()))
    old = await running(stores, workflow)
    await stores.journal.write(old.execution_id, PROJECT, [event(2)], StatusChange(FAILED, now() - timedelta(days=15)))

    for request, words in (
        (unfinished, "it is running"),
        (done, "it is succeeded"),
        (express, "express"),
        (old, "14 days"),
    ):
        with pytest.raises(Conflict, match=words):
            await redrive(PROJECT, request.execution_id, now())
    assert await redrive(PROJECT, new_id(), now()) is None
    assert await redrive(new_id(), done.execution_id, now()) is None


async def test_parking_and_completing_at_once_misses_nothing(stores: Stores, workflow: Workflow):
    """Whichever comes first, the execution is claimed."""
    requests = [await running(stores, workflow) for _ in range(40)]
    work = []
    for request in requests:
        work.append(stores.backlog.park([(request.execution_id, None)], "a/1"))
        work.append(stores.completions.submit(completion(request)))
    await asyncio.gather(*work)

    assert sorted(await claimed(stores)) == [request.execution_id for request in requests]
    assert LEASE > EARLY
