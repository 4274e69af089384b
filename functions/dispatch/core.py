"""From an accepted request to a running state machine."""

from dataclasses import dataclass
from typing import Protocol

from shared.clock import Clock
from shared.errors import NotFound
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange, machine_input
from shared.ports import ExecutionStore, Journal, WorkflowStore


class Starter(Protocol):
    async def start(self, workflow_id: str, version: int, execution_id: str, input_: dict[str, object]) -> None:
        """Starts an execution of this name; again changes nothing."""


@dataclass(frozen=True, slots=True)
class DispatchDeps:
    workflows: WorkflowStore
    executions: ExecutionStore
    journal: Journal
    machines: Starter
    clock: Clock


async def dispatch(request: StartRequest, deps: DispatchDeps) -> None:
    """Starts the request's machine under the execution's id, unless it was cancelled meanwhile.

    A request that comes twice starts nothing twice: Step Functions keeps names, and a row that has ended keeps its end.

    Raises:
        NotFound: the workflow or the execution is not there.
        StoreUnavailable: a store does not answer; the message shows up again.
    """
    execution = await deps.executions.get(request.project_id, request.execution_id)
    workflow = await deps.workflows.get(request.project_id, request.workflow_id)
    if execution is None or workflow is None:
        raise NotFound(f"The execution {request.execution_id} or its workflow {request.workflow_id} is not there.")
    if execution.status is not ExecutionStatus.QUEUED:
        return
    given, began = machine_input(request, workflow.name), deps.clock.now()  # its end may be told before we go on
    await deps.machines.start(request.workflow_id, request.version, request.execution_id, given)
    change = StatusChange(ExecutionStatus.RUNNING, began)
    await deps.journal.write(request.execution_id, request.project_id, (), change)
