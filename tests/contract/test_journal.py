"""Journal: one suite for every implementation; and ExecutionStore.history, which reads what it wrote."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.executions.records import Execution, ExecutionStatus, HistoryEvent, StartRequest, StatusChange
from shared.ids import new_id
from shared.ports import Journal
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import Stores, new_request, new_workflow, now

PROJECT = DEFAULT_PROJECT_ID


@pytest.fixture
def journal(stores: Stores) -> Journal:
    return stores.journal


@pytest.fixture
async def request_(stores: Stores) -> StartRequest:
    """An accepted request."""
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)
    await stores.queue.submit(request)
    return request


def events(first: int, last: int, at: datetime | None = None, **details: Any) -> list[HistoryEvent]:
    return [
        HistoryEvent(n, n - 1, "PassStateEntered", at or now(), {"name": "a", **details})
        for n in range(first, last + 1)
    ]


async def execution(stores: Stores, request: StartRequest) -> Execution:
    found = await stores.executions.get(PROJECT, request.execution_id)
    assert found is not None
    return found


async def test_events_come_back_in_order(stores: Stores, journal: Journal, request_: StartRequest):
    first, second = events(1, 3, output='{"text":"a\\u0000b 🙂"}'), events(4, 5)

    await journal.write(request_.execution_id, PROJECT, first)
    await journal.write(request_.execution_id, PROJECT, second)

    history = stores.executions.history
    assert await history(request_.execution_id) == [*first, *second]
    assert await history(request_.execution_id, after=2) == [first[2], *second]
    assert await history(request_.execution_id, after=1, limit=2) == first[1:]
    assert await history(new_id()) == []
    assert await history("no-id") == []


async def test_an_event_is_not_doubled(stores: Stores, journal: Journal, request_: StartRequest):
    written = events(1, 3)
    await journal.write(request_.execution_id, PROJECT, written)

    await journal.write(request_.execution_id, PROJECT, written)

    assert await stores.executions.history(request_.execution_id) == written


async def test_a_run_goes_from_queued_over_running_to_its_end(stores: Stores, journal: Journal, request_: StartRequest):
    began, ended = now(), now() + timedelta(seconds=2)

    await journal.write(request_.execution_id, PROJECT, events(1, 1), StatusChange(ExecutionStatus.RUNNING, began))
    running = await execution(stores, request_)
    done = StatusChange(ExecutionStatus.SUCCEEDED, ended, result={"answer": [42, "a\0b"]})
    await journal.write(request_.execution_id, PROJECT, events(2, 2), done)
    finished = await execution(stores, request_)

    assert (running.status, running.started_at, running.completed_at) == (ExecutionStatus.RUNNING, began, None)
    assert (finished.status, finished.started_at, finished.completed_at) == (ExecutionStatus.SUCCEEDED, began, ended)
    assert (finished.result, finished.error) == ({"answer": [42, "a\0b"]}, None)


async def test_a_run_of_one_write_started_with_its_first_event(
    stores: Stores, journal: Journal, request_: StartRequest
):
    began, ended = now(), now() + timedelta(seconds=1)
    failed = StatusChange(ExecutionStatus.FAILED, ended, error={"name": "NodeBug", "cause": "x"})

    await journal.write(request_.execution_id, PROJECT, events(1, 4, began), failed)

    finished = await execution(stores, request_)
    assert (finished.status, finished.started_at, finished.completed_at) == (ExecutionStatus.FAILED, began, ended)
    assert finished.error == {"name": "NodeBug", "cause": "x"}


@pytest.mark.parametrize("later", [ExecutionStatus.RUNNING, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED])
async def test_an_end_is_final(stores: Stores, journal: Journal, request_: StartRequest, later: ExecutionStatus):
    await journal.write(request_.execution_id, PROJECT, [], StatusChange(ExecutionStatus.SUCCEEDED, now(), result=1))
    before = await execution(stores, request_)

    await journal.write(request_.execution_id, PROJECT, [], StatusChange(later, now(), error={"name": "x"}))

    assert await execution(stores, request_) == before


async def test_changes_that_share_a_commit_keep_their_order(stores: Stores, journal: Journal, request_: StartRequest):
    began = now()
    changes = [
        StatusChange(ExecutionStatus.RUNNING, began),
        StatusChange(ExecutionStatus.SUCCEEDED, now(), result="first end"),
        StatusChange(ExecutionStatus.FAILED, now(), error={"name": "too late"}),
    ]

    await asyncio.gather(*(journal.write(request_.execution_id, PROJECT, [], change) for change in changes))

    finished = await execution(stores, request_)
    assert (finished.status, finished.result, finished.error) == (ExecutionStatus.SUCCEEDED, "first end", None)
    assert finished.started_at == began


async def test_a_value_that_is_no_json_fails_its_own_caller_only(stores: Stores, journal: Journal):
    good, bad = new_id(), new_id()

    results = await asyncio.gather(
        journal.write(good, PROJECT, events(1, 1)),
        journal.write(bad, PROJECT, events(1, 1, output=object())),
        return_exceptions=True,
    )

    assert results[0] is None
    assert isinstance(results[1], TypeError)
    assert len(await stores.executions.history(good)) == 1
    assert await stores.executions.history(bad) == []


async def test_many_writers_at_once_lose_nothing(stores: Stores, journal: Journal):
    written = {new_id(): [events(n, n) for n in range(1, 11)] for _ in range(64)}

    async def run(execution_id: str, batches: list[list[HistoryEvent]]) -> None:
        for batch in batches:
            await journal.write(execution_id, PROJECT, batch)

    await asyncio.gather(*(run(*each) for each in written.items()))

    for execution_id, batches in written.items():
        assert await stores.executions.history(execution_id) == [event for batch in batches for event in batch]
