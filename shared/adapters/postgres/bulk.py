"""BulkRuns on PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.executions import cancelling, durable, redrivable, redriven_values
from shared.adapters.postgres.tables import bulk_runs, workflow_executions
from shared.bulk.records import BulkRun
from shared.errors import IdempotencyMismatch
from shared.executions.records import ExecutionStatus, Priority
from shared.ids import is_id
from shared.ports import BulkItem, BulkRows, Page

LEASE = timedelta(minutes=1)

_b = bulk_runs.c
_e = workflow_executions.c
_FIELDS = tuple(_b[name] for name in BulkRun.__dataclass_fields__)
_FAILED = (ExecutionStatus.FAILED.value, ExecutionStatus.TIMED_OUT.value)


class PostgresBulkRuns(BulkRows):
    """A row for each bulk run; its executions are a range of the primary key of executions.

    Lists come from `reader`, a copy that follows the database, where there is one.
    """

    def __init__(self, engine: AsyncEngine, reader: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._reader = reader or engine

    async def create(self, bulk: BulkRun) -> BulkRun:
        """Keeps a new one; the earlier one of its idempotency key, where there is one. Raises IdempotencyMismatch."""
        row = insert(bulk_runs).values(asdict(bulk)).on_conflict_do_nothing().returning(_b.id)
        same = (_b.workflow_id == bulk.workflow_id, _b.idempotency_key == bulk.idempotency_key)
        async with transaction(self._engine) as connection:
            if (await connection.execute(row)).one_or_none() is not None:
                return bulk
            earlier = _bulk((await connection.execute(select(*_FIELDS).where(*same))).one())
        if earlier.request_digest != bulk.request_digest:
            raise IdempotencyMismatch(
                f"The key '{bulk.idempotency_key}' came earlier with other inputs, for the bulk run {earlier.id}. "
                "Send another key, or the same inputs."
            )
        return earlier

    async def get(self, project_id: str, bulk_id: str) -> BulkRun | None:
        """None where there is none, or it is another project's."""
        if not is_id(bulk_id):
            return None
        query = select(*_FIELDS).where(_b.project_id == project_id, _b.id == bulk_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _bulk(row)

    async def list(
        self, project_id: str, *, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[BulkRun]:
        """Newest first. Raises InvalidParameter for a bad cursor."""
        query = select(*_FIELDS).where(_b.project_id == project_id)
        if workflow_id is not None:
            query = query.where(_b.workflow_id == workflow_id)
        if cursor is not None:
            query = query.where(_b.id < decode_cursor(cursor))
        async with transaction(self._reader) as connection:
            rows = (await connection.execute(query.order_by(_b.id.desc()).limit(limit + 1))).all()
        return page(rows, limit, _bulk)

    async def counts(self, bulk: BulkRun) -> Mapping[ExecutionStatus, int]:
        """How many of its executions have which status."""
        query = select(_e.status, func.count()).where(_ours(bulk)).group_by(_e.status)
        async with transaction(self._engine) as connection:
            return {ExecutionStatus(status): count for status, count in await connection.execute(query)}

    async def items(
        self, bulk: BulkRun, *, statuses: Sequence[ExecutionStatus] = (), after: int = -1, limit: int = 50
    ) -> Sequence[BulkItem]:
        """Those behind the index `after`, in order of their inputs."""
        columns = (_e.id, _e.status, _e.result, _e.error, _e.started_at, _e.completed_at)
        query = select(*columns).where(_ours(bulk, after))
        if statuses:
            query = query.where(_e.status.in_([each.value for each in statuses]))
        async with transaction(self._reader) as connection:
            rows = await connection.execute(query.order_by(_e.id).limit(limit))
            return [BulkItem(row[0], ExecutionStatus(row[1]), *row[2:]) for row in rows]

    async def claim(self, worker: str, *, only: str | None = None) -> BulkRun | None:
        """One that has something left to do and that nobody feeds, the oldest first."""
        free = or_(_b.claimed_until.is_(None), _b.claimed_until <= func.now())
        wanted = select(_b.id).where(~_b.closed, free, *((_b.id == only,) if only is not None else ()))
        picked = wanted.order_by(_b.id).limit(1).with_for_update(skip_locked=True)
        taken = update(bulk_runs).where(_b.id == picked.scalar_subquery())
        taken = taken.values(worker=worker, claimed_until=func.now() + LEASE)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(taken.returning(*_FIELDS))).one_or_none()
        return None if row is None else _bulk(row)

    async def advance(self, bulk_id: str, worker: str, submitted: int) -> bool:
        """Keeps how far it is, and the claim. False where the worker is to stop."""
        kept = update(bulk_runs).where(_b.id == bulk_id, _b.worker == worker)
        kept = kept.values(submitted=submitted, claimed_until=func.now() + LEASE)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(kept.returning(_b.cancel_requested_at))).one_or_none()
        return row is not None and row.cancel_requested_at is None

    async def give_back(self, bulk_id: str, worker: str) -> None:
        """Lets others feed it."""
        mine = (_b.id == bulk_id, _b.worker == worker)
        async with transaction(self._engine) as connection:
            await connection.execute(update(bulk_runs).where(*mine).values(worker=None, claimed_until=None))

    async def close(self, bulk_id: str) -> None:
        """Nothing of it is left to be handed to the queue."""
        done = update(bulk_runs).where(_b.id == bulk_id)
        async with transaction(self._engine) as connection:
            await connection.execute(done.values(closed=True, worker=None, claimed_until=None))

    async def unfinished(self, bulk: BulkRun, *, after: int) -> tuple[int, int | None]:
        """How many behind `after` have not ended, and the index of the first of these."""
        query = select(_e.id).where(_ours(bulk, after), _e.completed_at.is_(None)).order_by(_e.id)
        async with transaction(self._engine) as connection:
            ids = (await connection.execute(query)).scalars().all()
        return len(ids), bulk.index_of(ids[0]) if ids else None

    async def request_cancel(self, bulk: BulkRun, at: datetime) -> None:
        """Stops the feeding, and cancels what has not ended."""
        asked = update(bulk_runs).where(_b.id == bulk.id)
        asked = asked.values(cancel_requested_at=func.coalesce(_b.cancel_requested_at, at))
        async with transaction(self._engine) as connection:
            await connection.execute(asked)
            await connection.execute(cancelling(at, _ours(bulk), _e.completed_at.is_(None)))

    async def redrive_failed(self, bulk: BulkRun, at: datetime) -> int:
        """Lets those that failed or timed out go on; how many did."""
        failed = update(workflow_executions).where(_ours(bulk), _e.status.in_(_FAILED), redrivable(at))
        async with transaction(self._engine) as connection:
            return (await connection.execute(failed.values(redriven_values()))).rowcount

    async def reopen(self, bulk_id: str) -> None:
        """Shows it as running, unless it was cancelled."""
        ended = update(bulk_runs).where(_b.id == bulk_id, _b.cancel_requested_at.is_(None))
        async with transaction(self._engine) as connection:
            await connection.execute(ended.values(closed=False))

    async def redrivable_count(self, bulk: BulkRun, at: datetime) -> int:
        """How many `redrive_failed` would let go on."""
        query = select(func.count()).where(_ours(bulk), _e.status.in_(_FAILED), redrivable(at))
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).scalar_one()

    async def redrivable(self, bulk: BulkRun, at: datetime, *, after: int, limit: int) -> Sequence[str]:
        """Ids of these, in order of the inputs."""
        query = select(_e.id).where(_ours(bulk, after), _e.status.in_(_FAILED), redrivable(at))
        async with transaction(self._engine) as connection:
            return (await connection.execute(query.order_by(_e.id).limit(limit))).scalars().all()

    async def to_stop(self, bulk: BulkRun, *, limit: int) -> Sequence[str]:
        """Ids of those that run, are to be cancelled and can be stopped: express ones end by themselves."""
        running = (_e.status == ExecutionStatus.RUNNING.value, _e.cancel_requested_at.is_not(None), durable())
        query = select(_e.id).where(_ours(bulk), *running).order_by(_e.id).limit(limit)
        async with transaction(self._engine) as connection:
            return (await connection.execute(query)).scalars().all()


def _ours(bulk: BulkRun, after: int = -1) -> ColumnElement[bool]:
    return and_(_e.project_id == bulk.project_id, _e.id > bulk.item_id(after), _e.id <= bulk.item_id(bulk.total - 1))


def _bulk(row: Row[Any]) -> BulkRun:
    values = row._asdict()
    return BulkRun(**(values | {"priority": Priority(values["priority"])}))
