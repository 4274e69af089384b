"""A project's executions a day."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.adapters.postgres.queue import PostgresQueue
from shared.errors import QuotaUsedUp
from shared.identity.records import DEFAULT_ORGANISATION_ID, Project
from shared.ids import new_id
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_workflow, now

QUOTA = 10


@pytest.fixture
async def queue(postgres_url: str) -> AsyncIterator[PostgresQueue]:
    opened = PostgresQueue(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
async def project(stores: Stores) -> Project:
    made = Project(new_id(), DEFAULT_ORGANISATION_ID, "p", now(), max_executions_per_day=QUOTA)
    await stores.access.members.create_project(made, None)
    return made


@pytest.fixture
async def workflow(stores: Stores, project: Project) -> Workflow:
    made, version = new_workflow(project_id=project.id)
    await stores.workflows.create(made, version)
    return made


async def started(queue: PostgresQueue, workflow: Workflow, count: int) -> int:
    """How many of `count` requests, all at once, were taken in."""
    requests = (queue.submit(new_request(workflow)) for _ in range(count))
    results = await asyncio.gather(*requests, return_exceptions=True)
    refused = [each for each in results if isinstance(each, QuotaUsedUp)]
    assert all(1 <= each.details["retry_after_seconds"] <= 86_401 for each in refused)
    assert [each for each in results if isinstance(each, Exception) and each not in refused] == []
    return count - len(refused)


async def test_what_is_more_than_the_quota_is_refused(queue: PostgresQueue, workflow: Workflow):
    assert await started(queue, workflow, 1) == 1, "from here on this process knows the quota"

    assert await started(queue, workflow, QUOTA + 5) == QUOTA - 1


async def test_another_process_knows(queue: PostgresQueue, workflow: Workflow, postgres_url: str):
    assert await started(queue, workflow, QUOTA) == QUOTA
    other = PostgresQueue(postgres_url)

    first = await started(other, workflow, 1)
    assert (first, await started(other, workflow, 5)) == (1, 0), "the first tells it how many there are"

    await other.close()


async def test_a_quota_that_was_raised_holds_within_a_second(
    stores: Stores, queue: PostgresQueue, project: Project, workflow: Workflow
):
    await started(queue, workflow, 1)
    assert await started(queue, workflow, QUOTA) == QUOTA - 1

    await stores.access.members.change_project(replace(project, max_executions_per_day=QUOTA + 2))

    async with asyncio.timeout(5):
        while not await started(queue, workflow, 1):
            await asyncio.sleep(0.05)
    assert await started(queue, workflow, 5) == 1


async def test_without_a_quota_there_is_none(stores: Stores, queue: PostgresQueue):
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)

    assert await started(queue, workflow, 30) == 30
