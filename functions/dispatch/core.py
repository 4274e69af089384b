"""From an accepted request to a running state machine.

What a limit holds up is not started: `admit` is woken, and sends the request once more when it may begin.

A request of the webhook receiver has no row yet, since the receiver goes without the database: the row is written here.
Its idempotency key is unique in the database, and that is what keeps a delivery from starting two executions.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from shared.clock import Clock
from shared.errors import IdempotencyMismatch, NotFound
from shared.executions.nested import is_express
from shared.executions.progress import Standing, Told
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange, Watch, machine_input
from shared.ports import Journal, StartQueue, Wakes
from shared.ports.events import EventBus
from shared.triggers.events.lifecycle import Change, event_of_change

log = logging.getLogger(__name__)


class Starter(Protocol):
    async def start(
        self, workflow_id: str, version: int, execution_id: str, input_: dict[str, object], *, express: bool
    ) -> None:
        """Starts an execution of this name; again changes nothing, unless it is express."""

    async def stop(self, workflow_id: str, execution_id: str, cause: str) -> None:
        """Stops an execution; one that has ended, or never started, is left as it is."""


class Progress(Protocol):
    async def standing(self, project_id: str, workflow_id: str, execution_id: str) -> Standing | None:
        """None of a workflow that is not there."""

    async def begun(self, project_id: str, execution_id: str) -> Told | None:
        """The execution once it is recorded as begun."""


class Watcher(Protocol):
    async def later(self, watch: Watch) -> None:
        """Has an express execution looked at later, in case its log never tells of its end."""


@dataclass(frozen=True, slots=True)
class DispatchDeps:
    progress: Progress
    rows: StartQueue
    journal: Journal
    machines: Starter
    watches: Watcher
    wakes: Wakes
    forward: Callable[[StartRequest], Awaitable[None]]
    """Of a request with a ticket of flow control, to whoever goes by it."""
    bus: EventBus
    clock: Clock


async def dispatch(request: StartRequest, deps: DispatchDeps) -> bool:
    """Starts the request's machine under the execution's id, unless a limit holds it up or it was cancelled meanwhile;
    whether it did. What is cancelled in the moment in which it starts is stopped.

    A request that comes twice starts nothing twice: Step Functions keeps names, and a row that has ended keeps its end.
    An express execution may be started twice, where this ends between its start and the note in its row that it began.
    Nobody is told of it twice, since the event of a beginning always has the same id.

    Raises:
        NotFound: the workflow, its version or the execution is not there.
        QuotaUsedUp: the project has started as many executions today as it may.
        StoreUnavailable: a store, a queue or the bus does not answer; the message shows up again.
    """
    if request.flow is not None:
        await deps.forward(request)
        return False
    found = await _standing(request, deps)
    if found.status is None:
        taken = await _take_in(request, deps)
        if taken is None:
            return False
        request, found = taken, await _standing(taken, deps)
    if found.status is None:
        raise NotFound(f"The execution {request.execution_id} is not there, though it was taken in.")
    starts = found.status is ExecutionStatus.QUEUED
    if starts and not found.may_begin:
        await deps.wakes.look()
        return False
    if starts:
        await _start(request, found, deps)
        found = await _standing(request, deps)
    if await _stopped(request, found, deps):
        return False
    if found.listened:
        await _publish(request, deps)
    return starts


async def _stopped(request: StartRequest, found: Standing, deps: DispatchDeps) -> bool:
    """Whoever cancels what is queued has no machine to stop, and it may have started between our look and that end:
    now, or when the request came before and nobody lived to look once more. Step Functions cannot stop an express one.
    """
    if found.status is not ExecutionStatus.CANCELLED or found.started_at is not None:
        return False
    if not is_express(found.mode, request.context):
        await deps.machines.stop(request.workflow_id, request.execution_id, "Cancelled before it began.")
    return True


async def _start(request: StartRequest, found: Standing, deps: DispatchDeps) -> None:
    given, began = machine_input(request, found.workflow_name), deps.clock.now()  # its end may be told before we go on
    express = is_express(found.mode, request.context)
    if express:
        await deps.watches.later(Watch(request.project_id, request.workflow_id, request.execution_id))
    await deps.machines.start(request.workflow_id, request.version, request.execution_id, given, express=express)
    change = StatusChange(ExecutionStatus.RUNNING, began)
    await deps.journal.write(request.execution_id, request.project_id, (), change)


async def _publish(request: StartRequest, deps: DispatchDeps) -> None:
    """Tells that it began, once more where whoever started it may have died before it told so."""
    told = await deps.progress.begun(request.project_id, request.execution_id)
    if told is None or told.depth is None or told.execution.started_at is None:
        return
    change = Change(told.execution, ExecutionStatus.RUNNING, told.execution.started_at, told.depth)
    await deps.bus.publish(event_of_change(change, deps.clock.now()))


async def _standing(request: StartRequest, deps: DispatchDeps) -> Standing:
    found = await deps.progress.standing(request.project_id, request.workflow_id, request.execution_id)
    if found is None:
        raise NotFound(f"The workflow {request.workflow_id} of the execution {request.execution_id} is not there.")
    return found


async def _take_in(request: StartRequest, deps: DispatchDeps) -> StartRequest | None:
    """Makes the row. Of a key that came before, the first execution's id goes on. None where the key came with another
    input: the sender broke its word, and nobody can be told."""
    try:
        accepted = await deps.rows.submit(request)
    except IdempotencyMismatch as error:
        log.warning("a delivery was dropped", extra={"code": error.code, "reason": error.message})
        return None
    return replace(request, execution_id=accepted.execution_id)
