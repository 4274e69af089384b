"""ExecutionStore, of an execution that runs: one suite for every implementation.

Lists, and what becomes of a cancelled execution, are with Backlog in test_backlog.py; redriving is in test_waiting.py
and, since the emulator of AWS cannot redrive, in test_aws_executions.py.
"""

from collections.abc import Iterator

import pytest

from shared.errors import Conflict
from shared.executions.records import ExecutionStatus, HistoryEvent, StartRequest, StatusChange
from shared.identity.principal import acting_project
from shared.ids import new_id
from shared.ports import ExecutionStore
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_workflow, now

PROJECT = DEFAULT_PROJECT_ID
TYPES = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "WaitStateEntered"]


@pytest.fixture
def executions(stores: Stores) -> ExecutionStore:
    return stores.executions


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return workflow


@pytest.fixture
async def begun(stores: Stores, workflow: Workflow) -> StartRequest:
    """An execution whose row says that it runs."""
    request = new_request(workflow)
    await stores.queue.submit(request, worker="a/1")
    await stores.journal.write(request.execution_id, PROJECT, [], StatusChange(ExecutionStatus.RUNNING, now()))
    return request


@pytest.fixture
async def running(stores: Stores, begun: StartRequest) -> StartRequest:
    """An execution that went through a Pass state and waits in the next."""
    events = [HistoryEvent(number, number - 1, kind, now(), {"name": "a"}) for number, kind in enumerate(TYPES, 1)]
    await stores.journal.write(begun.execution_id, PROJECT, events)
    return begun


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    """As in a request of the project."""
    token = acting_project.set(PROJECT)
    yield
    acting_project.reset(token)


async def test_an_execution_is_found_by_its_project(executions: ExecutionStore, running: StartRequest):
    found = await executions.get(PROJECT, running.execution_id)

    assert found is not None
    assert (found.status, found.input, found.version) == (ExecutionStatus.RUNNING, running.input, 1)
    assert await executions.get(new_id(), running.execution_id) is None
    assert [each.id for each in (await executions.list(PROJECT, workflow_id=running.workflow_id)).items] == [found.id]


async def test_its_history_is_told_in_order_and_in_parts(executions: ExecutionStore, running: StartRequest):
    whole = await executions.history(running.execution_id)

    assert [(each.id, each.type) for each in whole] == list(enumerate(TYPES, 1))
    assert await executions.history(running.execution_id, after=2) == whole[2:]
    assert await executions.history(running.execution_id, limit=3) == whole[:3]
    assert await executions.history(running.execution_id, after=1, limit=1) == whole[1:2]
    assert list(await executions.history(running.execution_id, after=4)) == []


async def test_what_never_was_has_no_history(executions: ExecutionStore):
    assert list(await executions.history(new_id())) == []
    assert list(await executions.history("no-id")) == []


async def test_another_project_reads_no_history(executions: ExecutionStore, running: StartRequest):
    token = acting_project.set(new_id())
    try:
        assert list(await executions.history(running.execution_id)) == []
    finally:
        acting_project.reset(token)


async def test_a_cancel_of_what_runs_is_noted_once_and_for_all(executions: ExecutionStore, running: StartRequest):
    asked = [await executions.request_cancel(PROJECT, running.execution_id, now()) for _ in range(2)]

    assert asked == [ExecutionStatus.RUNNING] * 2
    assert await executions.request_cancel(new_id(), running.execution_id, now()) is None
    assert await executions.request_cancel(PROJECT, new_id(), now()) is None


async def test_what_runs_is_not_redriven(executions: ExecutionStore, running: StartRequest):
    with pytest.raises(Conflict, match="running"):
        await executions.request_redrive(PROJECT, running.execution_id, now())

    assert await executions.request_redrive(PROJECT, new_id(), now()) is None
    assert await executions.request_redrive(new_id(), running.execution_id, now()) is None
