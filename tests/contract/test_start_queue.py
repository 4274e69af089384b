"""StartQueue: one suite for every implementation."""

import asyncio
from dataclasses import replace

import pytest

from shared.adapters.postgres.queue import PostgresQueue
from shared.errors import IdempotencyMismatch, MalformedRequest, NotFound, StoreUnavailable
from shared.executions.records import Accepted, ExecutionStatus
from shared.ids import new_id
from shared.ports import StartQueue
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_workflow


@pytest.fixture
def queue(stores: Stores) -> StartQueue:
    return stores.queue


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return workflow


async def started(stores: Stores, workflow: Workflow) -> set[str]:
    page = await stores.executions.list(DEFAULT_PROJECT_ID, workflow_id=workflow.id, limit=200)
    assert page.next_cursor is None
    return {execution.id for execution in page.items}


async def test_an_accepted_request_is_a_queued_execution(stores: Stores, queue: StartQueue, workflow: Workflow):
    request = new_request(workflow, input={"text": "naïve 🙂 \0 null", "n": [1, 2.5, None]}, trigger_id=new_id())

    accepted = await queue.submit(request)

    execution = await stores.executions.get(DEFAULT_PROJECT_ID, request.execution_id)
    assert (accepted.execution_id, accepted.duplicate) == (request.execution_id, False)
    assert execution is not None
    assert (execution.status, execution.workflow_name) == (ExecutionStatus.QUEUED, workflow.name)
    assert (execution.input, execution.context) == (request.input, request.context)
    assert (execution.trigger_id, execution.created_at) == (request.trigger_id, request.created_at)
    assert (execution.result, execution.error, execution.started_at, execution.completed_at) == (None,) * 4


async def test_the_same_request_twice_is_one_execution(stores: Stores, queue: StartQueue, workflow: Workflow):
    """As after a lost connection, when nobody knows whether the first one arrived: it is no duplicate of another."""
    request = new_request(workflow)

    answers = [await queue.submit(request), await queue.submit(request)]

    assert answers == [Accepted(request.execution_id)] * 2
    assert await started(stores, workflow) == {request.execution_id}


async def test_a_repeated_key_answers_with_the_first_execution(stores: Stores, queue: StartQueue, workflow: Workflow):
    first = new_request(workflow, idempotency_key="k", request_digest="d")
    await queue.submit(first)

    again = await queue.submit(replace(first, execution_id=new_id()))

    assert (again.execution_id, again.duplicate) == (first.execution_id, True)
    assert await started(stores, workflow) == {first.execution_id}


async def test_a_key_with_another_input_is_refused(stores: Stores, queue: StartQueue, workflow: Workflow):
    first = new_request(workflow, idempotency_key="k", request_digest="d")
    await queue.submit(first)

    with pytest.raises(IdempotencyMismatch, match="'k'") as caught:
        await queue.submit(new_request(workflow, idempotency_key="k", request_digest="other"))

    assert caught.value.details == {"execution_id": first.execution_id}
    assert await started(stores, workflow) == {first.execution_id}


async def test_keys_belong_to_their_workflow(stores: Stores, queue: StartQueue, workflow: Workflow):
    other, version = new_workflow()
    await stores.workflows.create(other, version)

    answers = [
        await queue.submit(new_request(each, idempotency_key="same", request_digest="d")) for each in (workflow, other)
    ]

    assert [answer.duplicate for answer in answers] == [False, False]


async def test_64_concurrent_requests_with_8_keys_start_8(stores: Stores, queue: StartQueue, workflow: Workflow):
    requests = [new_request(workflow, idempotency_key=f"key-{n % 8}", request_digest="d") for n in range(64)]

    answers = await asyncio.gather(*(queue.submit(request) for request in requests))

    assert await started(stores, workflow) == {answer.execution_id for answer in answers}
    assert len(await started(stores, workflow)) == 8
    assert sum(not answer.duplicate for answer in answers) == 8
    for n in range(8):
        assert len({answer.execution_id for answer in answers[n::8]}) == 1


async def test_two_processes_with_one_key_start_one(stores: Stores, postgres_url: str, workflow: Workflow):
    """Two queues have two connections, as two processes do."""
    other = PostgresQueue(postgres_url)
    try:
        requests = [new_request(workflow, idempotency_key=f"key-{n // 2}", request_digest="d") for n in range(64)]
        queues = [(stores.queue, other)[n % 2] for n in range(64)]

        answers = await asyncio.gather(*(q.submit(r) for q, r in zip(queues, requests, strict=True)))
    finally:
        await other.close()

    assert len(await started(stores, workflow)) == 32
    assert sum(answer.duplicate for answer in answers) == 32


async def test_a_bad_request_harms_no_other(stores: Stores, queue: StartQueue, workflow: Workflow):
    good = [new_request(workflow) for _ in range(4)]
    unknown = new_request(replace(workflow, id=new_id()))
    odd = new_request(workflow, idempotency_key="a\0b", request_digest="d")

    results = await asyncio.gather(
        *(queue.submit(request) for request in [*good[:2], unknown, odd, *good[2:]]), return_exceptions=True
    )

    assert isinstance(results[2], NotFound)
    assert isinstance(results[3], MalformedRequest)
    assert await started(stores, workflow) == {request.execution_id for request in good}


async def test_without_a_database_nothing_is_taken():
    queue = PostgresQueue("postgresql://nobody@/none?host=/nonexistent")
    workflow, _ = new_workflow()

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await queue.submit(new_request(workflow))

    await queue.close()
