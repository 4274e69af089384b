"""What the API asks about executions that run on Step Functions: rows from the database, histories from there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.adapters.aws.machines import Machines
from shared.clock import iso
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent
from shared.identity.principal import acting_project
from shared.ports import ExecutionStore, Page


class Rows(ExecutionStore, Protocol):
    """An ExecutionStore that also says beforehand what can be redriven."""

    async def ensure_redrivable(self, project_id: str, execution_id: str, at: datetime) -> None:
        """Raises Conflict where `request_redrive` would; changes nothing."""


class AwsExecutions(ExecutionStore):
    """An ExecutionStore whose rows are in `rows`."""

    def __init__(self, rows: Rows, machines: Machines) -> None:
        self._rows = rows
        self._machines = machines

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
        """Events with an id above `after`, in order, of an execution of the acting project."""
        project_id = acting_project.get()
        execution = await self._rows.get(project_id, execution_id) if project_id is not None else None
        if execution is None:
            return ()
        return await self._machines.history(execution.workflow_id, execution_id, after=after, limit=limit)

    async def request_cancel(self, project_id: str, execution_id: str, at: datetime) -> ExecutionStatus | None:
        """Marks it, then stops it; `complete` records the end when Step Functions tells of it."""
        had = await self._rows.request_cancel(project_id, execution_id, at)
        execution = await self._rows.get(project_id, execution_id)
        if execution is not None and had is ExecutionStatus.RUNNING:
            await self._machines.stop(execution.workflow_id, execution_id, "Cancelled on request.")
        return had

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
