"""From an accepted request to a running state machine.

A request of the webhook receiver has no row yet, since the receiver goes without the database: the row is written here.
Its idempotency key is unique in the database, and that is what keeps a delivery from starting two executions.
"""

import logging
from dataclasses import dataclass, replace
from typing import Protocol

from shared.clock import Clock
from shared.errors import IdempotencyMismatch, NotFound
from shared.executions.records import Execution, ExecutionStatus, StartRequest, StatusChange, machine_input
from shared.ports import ExecutionStore, Journal, StartQueue, WorkflowStore

log = logging.getLogger(__name__)


class Starter(Protocol):
    async def start(self, workflow_id: str, version: int, execution_id: str, input_: dict[str, object]) -> None:
        """Starts an execution of this name; again changes nothing."""


@dataclass(frozen=True, slots=True)
class DispatchDeps:
    workflows: WorkflowStore
    rows: StartQueue
    executions: ExecutionStore
    journal: Journal
    machines: Starter
    clock: Clock


async def dispatch(request: StartRequest, deps: DispatchDeps) -> bool:
    """Starts the request's machine under the execution's id, unless it was cancelled meanwhile; whether it did.

    A request that comes twice starts nothing twice: Step Functions keeps names, and a row that has ended keeps its end.

    Raises:
        NotFound: the workflow, its version or the execution is not there.
        QuotaUsedUp: the project has started as many executions today as it may.
        StoreUnavailable: a store does not answer; the message shows up again.
    """
    taken = await _row(request, deps)
    if taken is None:
        return False
    request, execution = taken
    workflow = await deps.workflows.get(request.project_id, request.workflow_id)
    if workflow is None:
        raise NotFound(f"The workflow {request.workflow_id} of the execution {request.execution_id} is not there.")
    if execution.status is not ExecutionStatus.QUEUED:
        return False
    given, began = machine_input(request, workflow.name), deps.clock.now()  # its end may be told before we go on
    await deps.machines.start(request.workflow_id, request.version, request.execution_id, given)
    change = StatusChange(ExecutionStatus.RUNNING, began)
    await deps.journal.write(request.execution_id, request.project_id, (), change)
    return True


async def _row(request: StartRequest, deps: DispatchDeps) -> tuple[StartRequest, Execution] | None:
    """The request and its row, made where there is none; of a key that came before, those of the first execution. None
    where the key came with another input: the sender broke its word, and nobody can be told."""
    found = await deps.executions.get(request.project_id, request.execution_id)
    if found is None:
        try:
            accepted = await deps.rows.submit(request)
        except IdempotencyMismatch as error:
            log.warning("a delivery was dropped", extra={"code": error.code, "reason": error.message})
            return None
        request = replace(request, execution_id=accepted.execution_id)
        found = await deps.executions.get(request.project_id, request.execution_id)
    if found is None:
        raise NotFound(f"The execution {request.execution_id} is not there, though it was taken in.")
    return request, found
