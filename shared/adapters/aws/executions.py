"""What the API asks about executions that run on Step Functions: rows from the database, histories from there.

Step Functions keeps no history of an express execution, and cannot stop one. Its events are where `complete` writes
what its log tells, in the database.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.adapters.aws.machines import Machines
from shared.clock import Clock, SystemClock, iso
from shared.errors import Conflict
from shared.executions.ending import wake_those_that_wait
from shared.executions.nested import is_express
from shared.executions.progress import Told
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent
from shared.identity.principal import acting_project
from shared.ports import ExecutionStore, Page, Wakes
from shared.ports.events import EventBus
from shared.triggers.events.lifecycle import Change, event_of_change

LOG_LATE = timedelta(seconds=60)
"""After the end of an express execution: so long the rest of its log may still be on its way."""


class Rows(ExecutionStore, Protocol):
    """An ExecutionStore that also says beforehand what can be redriven, and of which mode an execution is."""

    async def mode(self, project_id: str, execution_id: str) -> str | None:
        """`durable` or `express`; None where there is no such execution."""

    async def ensure_redrivable(self, project_id: str, execution_id: str, at: datetime) -> None:
        """Raises Conflict where `request_redrive` would; changes nothing."""


class Ends(Protocol):
    async def ended(self, project_id: str, execution_id: str) -> Told | None:
        """The execution once it has ended."""


class AwsExecutions(ExecutionStore):
    """An ExecutionStore whose rows are in `rows`."""

    def __init__(
        self, rows: Rows, machines: Machines, ends: Ends, bus: EventBus, wakes: Wakes, *, clock: Clock | None = None
    ) -> None:
        self._rows = rows
        self._machines = machines
        self._ends = ends
        self._bus = bus
        self._wakes = wakes
        self._clock = clock or SystemClock()

    async def get(self, project_id: str, execution_id: str) -> Execution | None:
        return await self._rows.get(project_id, execution_id)

    async def list(
        self,
        project_id: str,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        return await self._rows.list(project_id, workflow_id=workflow_id, status=status, limit=limit, cursor=cursor)

    async def history(self, execution_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[HistoryEvent]:
        """Events with an id above `after`, in order, of an execution of the acting project. Of an express one those
        before the first gap, since others may come before them; once it has ended for a while, all that came."""
        project_id = acting_project.get()
        execution = await self._rows.get(project_id, execution_id) if project_id is not None else None
        if execution is None:
            return ()
        if await self._is_express(execution):
            events = await self._rows.history(execution_id, after=after, limit=limit)
            ended = execution.completed_at
            return events if ended and self._clock.now() - ended > LOG_LATE else _unbroken(events, after)
        return await self._machines.history(execution.workflow_id, execution_id, after=after, limit=limit)

    async def request_cancel(self, project_id: str, execution_id: str, at: datetime) -> ExecutionStatus | None:
        """Marks it, then stops it; `complete` records the end when Step Functions tells of it. Of one that never began
        nobody but this tells; cancelling it once more tells it once more, under the same id.

        Raises:
            Conflict: it is express, and runs.
        """
        await self._ensure_stoppable(await self._rows.get(project_id, execution_id))
        had = await self._rows.request_cancel(project_id, execution_id, at)
        execution = await self._rows.get(project_id, execution_id)
        if execution is None:
            return had
        if had is ExecutionStatus.RUNNING:
            await self._ensure_stoppable(execution)  # it may have begun just now
            await self._machines.stop(execution.workflow_id, execution_id, "Cancelled on request.")
        elif execution.status is ExecutionStatus.CANCELLED and execution.started_at is None:
            await self._tell(project_id, execution_id, at)
        return had

    async def _ensure_stoppable(self, execution: Execution | None) -> None:
        if execution is None or execution.status is not ExecutionStatus.RUNNING:
            return
        if await self._is_express(execution):
            raise _unstoppable(execution)

    async def _tell(self, project_id: str, execution_id: str, now: datetime) -> None:
        told = await self._ends.ended(project_id, execution_id)
        if told is None or told.execution.completed_at is None:
            return
        await wake_those_that_wait(told, self._wakes)  # it may have been let begin, and others wait for its place
        if told.depth is not None:
            change = Change(told.execution, ExecutionStatus.CANCELLED, told.execution.completed_at, told.depth)
            await self._bus.publish(event_of_change(change, now))

    async def request_redrive(self, project_id: str, execution_id: str, at: datetime) -> ExecutionStatus | None:
        """Lets Step Functions go on from where the execution failed, then says in its row that it runs.

        Raises:
            Conflict: as the rows say, or Step Functions does not go on with it.
            StoreUnavailable: whether it goes on is unknown; asking once more is safe.
        """
        execution = await self._rows.get(project_id, execution_id)
        if execution is None:
            return None
        await self._rows.ensure_redrivable(project_id, execution_id, at)
        ended = execution.completed_at or at
        await self._machines.redrive(execution.workflow_id, execution_id, f"{execution_id}/{iso(ended)}")
        return await self._rows.request_redrive(project_id, execution_id, at)

    async def _is_express(self, execution: Execution) -> bool:
        return is_express(await self._rows.mode(execution.project_id, execution.id), execution.context)


def _unbroken(events: Sequence[HistoryEvent], after: int) -> Sequence[HistoryEvent]:
    """Up to the first number that is missing."""
    return [event for place, event in enumerate(events, after + 1) if event.id == place]


def _unstoppable(execution: Execution) -> Conflict:
    return Conflict(
        f"The execution '{execution.id}' cannot be cancelled: its workflow is express, and Step Functions cannot stop "
        "what an EXPRESS machine has begun. It ends by itself, within five minutes of its start. Use "
        "`settings.mode: durable` for work that has to be stopped.",
        status=execution.status.value,
    )
