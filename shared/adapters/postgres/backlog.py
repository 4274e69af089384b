"""Backlog on PostgreSQL.

Terms:
  lease   until when an execution is its worker's; a worker that lives renews it, one that died lets it run out
  life    begins when this object is made. A worker that comes back under its old name has a new life, and takes what
          its earlier life left at once, without waiting for the lease
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Row, Uuid, all_, and_, any_, cast, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import execution_events, workflow_executions
from shared.executions.records import ExecutionStatus, HistoryEvent, StartRequest
from shared.ports import Backlog, PendingExecution

LEASE = timedelta(seconds=30)

_c = workflow_executions.c
_UNFINISHED = _c.status.in_([ExecutionStatus.QUEUED.value, ExecutionStatus.RUNNING.value])


class PostgresBacklog(Backlog):
    """The worker's side of the queue."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._made = datetime.now(UTC)
        self._first_claim: datetime | None = None

    async def claim(self, limit: int, worker: str, exclude: Sequence[str] = ()) -> Sequence[PendingExecution]:
        """Up to `limit` unfinished executions that no live worker holds, oldest first; they are `worker`'s now."""
        async with transaction(self._engine) as connection:
            if self._first_claim is None:
                self._first_claim = (await connection.execute(select(func.now()))).scalar_one()
            picked = (
                select(_c.id)
                .where(_UNFINISHED, self._free(worker), _c.id != all_(_ids(exclude)))
                .order_by(_c.id)
                .limit(limit)
                .with_for_update(skip_locked=True)
                .cte("picked")  # evaluated once; as a subquery a plan may repeat it, and take more than `limit`
            )
            taken = update(workflow_executions).where(_c.id.in_(select(picked.c.id)))
            rows = (
                await connection.execute(
                    taken.values(worker=worker, lease_until=func.now() + LEASE).returning(workflow_executions)
                )
            ).all()
            histories = await _histories(connection, [row.id for row in rows])
        return [_pending(row, histories[row.id]) for row in sorted(rows, key=lambda row: str(row.id))]

    async def cancelled(self, execution_ids: Sequence[str]) -> Sequence[str]:
        """Those of the given running executions for which a cancel was requested. Renews the leases of all given."""
        running = _c.id == any_(_ids(execution_ids))
        renewed = (
            update(workflow_executions)
            .where(running, _UNFINISHED, _c.lease_until < func.now() + LEASE / 2)
            .values(lease_until=func.now() + LEASE)
        )
        async with transaction(self._engine) as connection:
            await connection.execute(renewed)
            return list(await connection.scalars(select(_c.id).where(running, _c.cancel_requested_at.is_not(None))))

    def _free(self, worker: str) -> ColumnElement[bool]:
        """What was submitted in this life is newer than this object; what was claimed in it has a later lease."""
        claimed_before = _c.lease_until < (self._first_claim or self._made) + LEASE
        earlier_life = and_(_c.worker == worker, _c.created_at < self._made, claimed_before)
        return or_(_c.worker.is_(None), _c.lease_until < func.now(), earlier_life)


def _ids(values: Sequence[str]) -> ColumnElement[Any]:
    """One array parameter, however many ids there are."""
    return cast(list(values), ARRAY(Uuid(as_uuid=False)))


async def _histories(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[HistoryEvent]]:
    histories: dict[str, list[HistoryEvent]] = defaultdict(list)
    if not ids:
        return histories
    events = execution_events.c
    query = (
        select(events.execution_id, events.id, events.previous_id, events.type, events.timestamp, events.details)
        .where(events.execution_id == any_(_ids(ids)))
        .order_by(events.execution_id, events.id)
    )
    for execution_id, *event in await connection.execute(query):
        histories[execution_id].append(HistoryEvent(*event))
    return histories


def _pending(row: Row[Any], history: Sequence[HistoryEvent]) -> PendingExecution:
    request = StartRequest(
        execution_id=row.id,
        project_id=row.project_id,
        workflow_id=row.workflow_id,
        version=row.version,
        input=row.input,
        context=row.context,
        created_at=row.created_at,
        trigger_id=row.trigger_id,
        idempotency_key=row.idempotency_key,
        request_digest=row.request_digest,
    )
    status = ExecutionStatus(row.status)
    return PendingExecution(request, status, cancel_requested=row.cancel_requested_at is not None, history=history)
