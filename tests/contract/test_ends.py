"""Waiting for the end of an execution that runs elsewhere, over the real database."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.adapters.postgres.ends import PostgresEnds
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange
from shared.ids import new_id
from tests.localstack.door import in_front_of
from tests.support.stores import Stores, new_request, new_workflow, now


@pytest.fixture
async def ends(postgres_url: str) -> AsyncIterator[PostgresEnds]:
    made = PostgresEnds(postgres_url, most_seconds=20)
    yield made
    await made.close()


@pytest.fixture
async def request_(stores: Stores) -> StartRequest:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return new_request(workflow)


ENDS = [
    StatusChange(ExecutionStatus.SUCCEEDED, now(), result={"total": 7}),
    StatusChange(ExecutionStatus.SUCCEEDED, now(), result=None),
    StatusChange(ExecutionStatus.TIMED_OUT, now(), error={"name": "States.Timeout", "cause": ""}),
]


@pytest.mark.parametrize("change", ENDS)
async def test_an_end_is_heard_of_though_the_row_comes_later_than_the_wait(stores, ends, request_, change):
    waiting = asyncio.create_task(ends.wait(request_.execution_id, 20))
    await stores.queue.submit(request_)
    await stores.journal.write(
        request_.execution_id, request_.project_id, (), StatusChange(ExecutionStatus.RUNNING, now())
    )
    assert not waiting.done()

    await stores.journal.write(request_.execution_id, request_.project_id, (), change)

    assert await waiting == change


async def test_what_does_not_end_in_time_has_no_end_and_the_next_wait_is_undisturbed(stores, ends, request_):
    await stores.queue.submit(request_)

    for seconds in (0.0, 0.11, 0.3):  # cut short before, in and after a question
        assert await ends.wait(request_.execution_id, seconds) is None
    await stores.journal.write(request_.execution_id, request_.project_id, (), ENDS[0])

    assert await ends.wait(request_.execution_id, 20) == ENDS[0]


async def test_nobody_waits_longer_than_the_most(postgres_url):
    ends = PostgresEnds(postgres_url, most_seconds=0.2)

    async with asyncio.timeout(10):
        assert await ends.wait(new_id(), 3_600) is None
    await ends.close()


async def test_a_database_that_goes_away_ends_the_wait(postgres_url):
    with in_front_of(postgres_url) as (door, url):
        ends = PostgresEnds(url, most_seconds=60)
        assert await ends.wait(new_id(), 0.2) is None, "it was connected"
        door.shut()

        async with asyncio.timeout(10):
            assert await ends.wait(new_id(), 60) is None
        await ends.close()
