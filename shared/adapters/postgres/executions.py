"""ExecutionStore on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Insert, Row, Select, and_, case, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import (
    execution_events,
    execution_outbox,
    triggers,
    workflow_executions,
    workflow_versions,
    workflows,
)
from shared.errors import Conflict
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent
from shared.ids import is_id
from shared.ports import ExecutionStore, Page

REDRIVABLE_FOR = timedelta(days=14)
MAX_REDRIVABLE_EVENTS = 24_998

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
    """Executions and their history; the queue and the journal write what is read here.

    Lists come from `reader`, a copy that follows the database, where there is one.
    """

    def __init__(self, engine: AsyncEngine, reader: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._reader = reader or engine

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
        async with transaction(self._reader) as connection:
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

    async def mode(self, project_id: str, execution_id: str) -> str | None:
        """`durable` or `express`, as its version is; None where there is no such execution."""
        if not is_id(execution_id):
            return None
        versions = workflow_versions.c
        ours = (_c.project_id == project_id, _c.id == execution_id)
        same = and_(versions.workflow_id == _c.workflow_id, versions.version == _c.version)
        async with transaction(self._engine) as connection:
            found = await connection.execute(select(versions.mode).join(workflow_executions, same).where(*ours))
            return found.scalar_one_or_none()

    async def ensure_redrivable(self, project_id: str, execution_id: str, at: datetime) -> None:
        """Raises Conflict where `request_redrive` would; changes nothing."""
        if is_id(execution_id):
            async with transaction(self._engine) as connection:
                row = (await connection.execute(_redriving(project_id, execution_id))).one_or_none()
            if row is not None:
                _ensure_redrivable(row, at)

    async def request_redrive(self, project_id: str, execution_id: str, at: datetime) -> ExecutionStatus | None:
        """Lets an execution go on from where it failed; the status that it had. See ExecutionStore."""
        if not is_id(execution_id):
            return None
        asked = _redriving(project_id, execution_id).with_for_update(of=workflow_executions)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(asked)).one_or_none()
            if row is None:
                return None
            _ensure_redrivable(row, at)
            ours = (_c.project_id == project_id, _c.id == execution_id)
            await connection.execute(update(workflow_executions).where(*ours).values(redriven_values()))
        return ExecutionStatus(row.status)

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
                await connection.execute(cancelling(at, *ours))
        return status


def _redriving(project_id: str, execution_id: str) -> Select[Any]:
    """What decides whether an execution can be redriven."""
    length = select(func.coalesce(func.max(execution_events.c.id), 0)).where(execution_events.c.execution_id == _c.id)
    versions = workflow_versions.c
    return (
        select(_c.id, _c.status, _c.completed_at, versions.mode, length.scalar_subquery().label("length"))
        .join(workflow_versions, and_(versions.workflow_id == _c.workflow_id, versions.version == _c.version))
        .where(_c.project_id == project_id, _c.id == execution_id)
    )


def cancelling(at: datetime, *unfinished: ColumnElement[bool]) -> Insert:
    """The statement that cancels executions, and notes for the event bus those that end with it: lifecycle.py."""
    ended = ExecutionStatus.CANCELLED.value
    columns = (_c.id, _c.project_id, _c.status, _c.completed_at)
    changed = update(workflow_executions).where(*unfinished).values(_cancelled(at)).returning(*columns).cte("changed")
    listening = exists().where(
        triggers.c.project_id == changed.c.project_id, triggers.c.type == "event", triggers.c.is_active
    )
    noted = select(*changed.c).where(changed.c.status == ended, listening)
    return insert(execution_outbox).from_select(["execution_id", "project_id", "status", "at"], noted)


def _cancelled(at: datetime) -> dict[str, Any]:
    """What cancelling writes into the row of an unfinished execution."""
    nobodys = or_(_c.worker.is_(None), _c.claimable_at < func.now())
    waiting = (_c.status == ExecutionStatus.QUEUED.value) & nobodys
    parked = (_c.status == ExecutionStatus.RUNNING.value) & _c.worker.is_(None)
    return {
        "cancel_requested_at": func.coalesce(_c.cancel_requested_at, at),
        "status": case((waiting, ExecutionStatus.CANCELLED.value), else_=_c.status),
        "completed_at": case((waiting, at)),
        "claimable_at": case((parked, text("'-infinity'::timestamptz")), else_=_c.claimable_at),
    }


def _ensure_redrivable(row: Any, at: datetime) -> None:
    """Raises Conflict where Step Functions would not redrive it.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    """
    status = ExecutionStatus(row.status)
    if not status.terminal or status is ExecutionStatus.SUCCEEDED:
        reason = f"it is {status}; only one that failed, timed out or was cancelled is redriven"
    elif row.mode == "express":
        reason = "its workflow is express; start it again with the same input"
    elif at - row.completed_at > REDRIVABLE_FOR:
        reason = f"it ended {row.completed_at:%Y-%m-%d}, more than {REDRIVABLE_FOR.days} days ago; start it again"
    elif row.length > MAX_REDRIVABLE_EVENTS:
        reason = f"its history has {row.length} events, more than {MAX_REDRIVABLE_EVENTS}; start it again"
    else:
        return
    raise Conflict(f"The execution '{row.id}' cannot be redriven: {reason}.", status=status.value)


def durable() -> ColumnElement[bool]:
    """Whether an execution's version is not express, so that Step Functions can stop it and let it go on."""
    versions = workflow_versions.c
    same = (versions.workflow_id == _c.workflow_id, versions.version == _c.version)
    return exists().where(*same, versions.mode != "express")


def redrivable(at: datetime) -> ColumnElement[bool]:
    """Whether an execution that has failed can go on: the rules of _ensure_redrivable, for many at once."""
    too_long = exists().where(execution_events.c.execution_id == _c.id, execution_events.c.id > MAX_REDRIVABLE_EVENTS)
    return and_(durable(), ~too_long, _c.completed_at > at - REDRIVABLE_FOR)


def redriven_values() -> dict[str, Any]:
    """What a redrive writes into the row of an execution that has failed."""
    limited = _c.admission.is_not(None)
    return {
        "status": ExecutionStatus.RUNNING.value,
        "completed_at": None,
        "result": None,
        "error": None,
        "cancel_requested_at": None,
        "worker": None,
        "attempts": 0,
        "admission": case((limited, "waiting")),
        "claimable_at": case((limited, text("'infinity'::timestamptz")), else_=text("'-infinity'::timestamptz")),
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
