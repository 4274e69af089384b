"""Redriving and cancelling on Step Functions, over the real database. The emulator cannot redrive, so that its client
stands in; what express executions logged is in tests/functions/test_express_logs.py."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.adapters.aws import machines as module
from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import AwsSettings
from shared.clock import SystemClock
from shared.errors import Conflict
from shared.executions.records import ExecutionStatus, StatusChange
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import KeptBus, Stores, Woken, new_request, new_workflow


class StepFunctions:
    """Goes on with executions, unless it `refuses`."""

    meta = SimpleNamespace(region_name="eu-central-1")

    def __init__(self) -> None:
        self.redriven: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.refuses: str | None = None

    def redrive_execution(self, **given: Any) -> dict[str, Any]:
        if self.refuses is not None:
            raise ClientError({"Error": {"Code": self.refuses}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Redrive")
        self.redriven.append(given)
        return {"redriveDate": SystemClock().now()}

    def stop_execution(self, **given: Any) -> dict[str, Any]:
        self.stopped.append(given["executionArn"])
        return {"stopDate": SystemClock().now()}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    made = StepFunctions()
    monkeypatch.setattr(module, "client", lambda service: made)
    return made


@pytest.fixture
def bus() -> KeptBus:
    return KeptBus()


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def executions(stores: Stores, aws: StepFunctions, bus: KeptBus, woken: Woken) -> AwsExecutions:
    role = "arn:aws:iam::123456789012:role/machines"
    machines = Machines(AwsSettings(machine_prefix="m", machine_role_arn=role))
    return AwsExecutions(stores.executions, machines, stores.progress, bus, woken)


async def ended(stores: Stores, status: ExecutionStatus) -> tuple[str, str]:
    """The ids of an execution that ended so and of its workflow."""
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)
    await stores.queue.submit(request)
    error = None if status is ExecutionStatus.SUCCEEDED else {"name": "Boom", "cause": ""}
    change = StatusChange(status, SystemClock().now(), error=error)
    await stores.journal.write(request.execution_id, DEFAULT_PROJECT_ID, (), change)
    return request.execution_id, workflow.id


async def test_a_failed_execution_goes_on_under_its_name_and_ends_again(stores, executions, aws):
    execution_id, workflow_id = await ended(stores, ExecutionStatus.FAILED)

    had = await executions.request_redrive(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())

    (told,) = aws.redriven
    assert had is ExecutionStatus.FAILED
    assert told["executionArn"] == f"arn:aws:states:eu-central-1:123456789012:execution:m-{workflow_id}:{execution_id}"
    assert not (await stores.executions.get(DEFAULT_PROJECT_ID, execution_id)).status.terminal
    end = StatusChange(ExecutionStatus.SUCCEEDED, SystemClock().now(), result=1)
    await stores.journal.write(execution_id, DEFAULT_PROJECT_ID, (), end)
    found = await stores.executions.get(DEFAULT_PROJECT_ID, execution_id)
    assert (found.status, found.result, found.error) == (ExecutionStatus.SUCCEEDED, 1, None)


async def test_what_ended_well_is_not_even_asked_about(stores, executions, aws):
    execution_id, _ = await ended(stores, ExecutionStatus.SUCCEEDED)

    with pytest.raises(Conflict):
        await executions.request_redrive(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())

    assert aws.redriven == []


@pytest.mark.parametrize("code", ["ExecutionNotRedrivable", "ExecutionDoesNotExist"])
async def test_what_step_functions_refuses_stays_as_it_ended(stores, executions, aws, code):
    execution_id, _ = await ended(stores, ExecutionStatus.FAILED)
    aws.refuses = code

    with pytest.raises(Conflict, match=code):
        await executions.request_redrive(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())

    assert (await stores.executions.get(DEFAULT_PROJECT_ID, execution_id)).status is ExecutionStatus.FAILED


async def test_an_execution_that_is_not_there_is_none(executions):
    assert await executions.request_redrive(DEFAULT_PROJECT_ID, new_id(), SystemClock().now()) is None


@pytest.mark.parametrize("settings", [{}, {"max_concurrency": 1}])
async def test_the_end_of_one_that_never_began_is_told_under_one_id_and_makes_room(
    stores, executions, bus, woken, settings
):
    workflow, version = new_workflow()
    definition = version.definition | {"settings": settings}
    await stores.workflows.create(workflow, replace(version, definition=definition))
    request = new_request(workflow)
    await stores.queue.submit(request)

    for _ in range(2):  # the caller may not have got the first answer
        await executions.request_cancel(DEFAULT_PROJECT_ID, request.execution_id, SystemClock().now())

    first, again = bus.published
    assert (first.document["detail-type"], first.id) == ("execution.cancelled", again.id)
    assert woken.times == ([None, None] if settings else [])


async def test_cancelling_what_has_ended_tells_nothing(stores, executions, bus):
    execution_id, _ = await ended(stores, ExecutionStatus.FAILED)

    await executions.request_cancel(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())

    assert bus.published == []


async def begun(stores: Stores, mode: str, **context: Any) -> str:
    """The id of an execution that runs."""
    workflow, version = new_workflow(definition={"settings": {"mode": mode}})
    await stores.workflows.create(workflow, version)
    request = new_request(workflow, context={"trigger": {"type": "manual"}, "correlation_id": "c", **context})
    await stores.queue.submit(request)
    change = StatusChange(ExecutionStatus.RUNNING, SystemClock().now())
    await stores.journal.write(request.execution_id, DEFAULT_PROJECT_ID, (), change)
    return request.execution_id


async def test_an_express_execution_that_runs_is_not_cancelled_and_not_marked(stores, executions, aws):
    execution_id = await begun(stores, "express")

    with pytest.raises(Conflict, match=r"cannot stop what an EXPRESS machine has begun.*mode: durable"):
        await executions.request_cancel(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())

    assert aws.stopped == []
    with pytest.raises(Conflict, match="cannot be redriven: it is running"):
        await executions.request_redrive(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())


async def test_an_express_execution_that_waits_to_begin_is_cancelled(stores, executions, aws):
    workflow, version = new_workflow(definition={"settings": {"mode": "express"}})
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)
    await stores.queue.submit(request)

    had = await executions.request_cancel(DEFAULT_PROJECT_ID, request.execution_id, SystemClock().now())

    found = await stores.executions.get(DEFAULT_PROJECT_ID, request.execution_id)
    assert (had, found.status, aws.stopped) == (ExecutionStatus.QUEUED, ExecutionStatus.CANCELLED, [])


@pytest.mark.parametrize(
    ("mode", "context"), [("durable", {}), ("express", {"parent": {"execution_id": new_id(), "wait": True}})]
)
async def test_what_runs_on_a_standard_machine_is_stopped(stores, executions, aws, mode, context):
    execution_id = await begun(stores, mode, **context)

    await executions.request_cancel(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())

    (arn,) = aws.stopped
    assert arn.endswith(f":{execution_id}")


async def test_an_express_execution_that_failed_is_started_again_not_redriven(stores, executions, aws):
    execution_id = await begun(stores, "express")
    change = StatusChange(ExecutionStatus.FAILED, SystemClock().now(), error={"name": "Boom", "cause": ""})
    await stores.journal.write(execution_id, DEFAULT_PROJECT_ID, (), change)

    with pytest.raises(Conflict, match="express; start it again"):
        await executions.request_redrive(DEFAULT_PROJECT_ID, execution_id, SystemClock().now())

    assert aws.redriven == []
