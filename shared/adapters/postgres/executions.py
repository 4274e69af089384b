"""ExecutionStore on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import execution_events, workflow_executions, workflows
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent
from shared.ids import is_id
from shared.ports import ExecutionStore, Page

_c = workflow_executions.c
_SMALL = (
    _c.id,
    _c.project_id,
    _c.workflow_id,
    workflows.c.name.label("workflow_name"),
    _c.version,
    _c.status,
    _c.trigger_id,
    _c.context,
    _c.error,
    _c.created_at,
    _c.started_at,
    _c.completed_at,
)


class PostgresExecutions(ExecutionStore):
    """Executions and their history; the queue and the journal write what is read here."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, project_id: str, execution_id: str) -> Execution | None:
        if not is_id(execution_id):
            return None
        query = _select(project_id).add_columns(_c.input, _c.result).where(_c.id == execution_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _execution(row, row.input, row.result)

    async def list(
        self,
        project_id: str,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        """Newest first, without `input` and `result`. Raises InvalidParameter for a bad cursor."""
        query = _select(project_id)
        if workflow_id is not None:
            if not is_id(workflow_id):
                return Page((), None)
            query = query.where(_c.workflow_id == workflow_id)
        if status is not None:
            query = query.where(_c.status == status.value)
        if cursor is not None:
            query = query.where(_c.id < decode_cursor(cursor))
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query.order_by(_c.id.desc()).limit(limit + 1))).all()
        return page(rows, limit, _execution)

    async def history(self, execution_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[HistoryEvent]:
        """Events with an id above `after`, in order."""
        if not is_id(execution_id):
            return []
        events = execution_events.c
        query = select(events.id, events.previous_id, events.type, events.timestamp, events.details).where(
            events.execution_id == execution_id, events.id > after
        )
        async with transaction(self._engine) as connection:
            rows = await connection.execute(query.order_by(events.id).limit(limit))
        return [HistoryEvent(*row) for row in rows]

    async def request_cancel(self, project_id: str, execution_id: str, at: datetime) -> ExecutionStatus | None:
        """Marks an unfinished execution to be cancelled; the status that it had, None where there is no such execution.

        A queued one is cancelled at once, unless a worker has just taken it: then the worker cancels it, so that no
        task of a cancelled execution runs unseen.
        """
        if not is_id(execution_id):
            return None
        ours = (_c.project_id == project_id, _c.id == execution_id)
        async with transaction(self._engine) as connection:
            locked = select(_c.status).where(*ours).with_for_update()
            found = (await connection.execute(locked)).scalar_one_or_none()
            if found is None:
                return None
            status = ExecutionStatus(found)
            if not status.terminal:
                await connection.execute(update(workflow_executions).where(*ours).values(_cancelled(at)))
        return status


def _cancelled(at: datetime) -> dict[str, Any]:
    nobodys = or_(_c.worker.is_(None), _c.lease_until < func.now())
    waiting = (_c.status == ExecutionStatus.QUEUED.value) & nobodys
    return {
        "cancel_requested_at": func.coalesce(_c.cancel_requested_at, at),
        "status": case((waiting, ExecutionStatus.CANCELLED.value), else_=_c.status),
        "completed_at": case((waiting, at)),
    }


def _select(project_id: str) -> Select[Any]:
    joined = workflow_executions.join(workflows, workflows.c.id == _c.workflow_id)
    return select(*_SMALL).select_from(joined).where(_c.project_id == project_id)


def _execution(row: Row[Any], data: Any = None, result: Any = None) -> Execution:
    return Execution(
        id=row.id,
        project_id=row.project_id,
        workflow_id=row.workflow_id,
        workflow_name=row.workflow_name,
        version=row.version,
        status=ExecutionStatus(row.status),
        trigger_id=row.trigger_id,
        context=row.context,
        input=data,
        result=result,
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )
