"""Journal on PostgreSQL: one statement per group of writes, whatever their number.

`unnest` over binary arrays was measured against COPY and pipelined INSERTs: COPY needs a transaction of several round
trips; pipelined INSERTs cost twice the CPU here.

An event has a number, and the table takes each number once. That fences workers: where two believe that an execution is
theirs, the second to write meets the events of the first, writes nothing, and is told so (LeaseLost). Where the events
it meets are its own, an earlier try was committed before the connection was lost.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Json

from shared.adapters.postgres.completions import submit
from shared.adapters.postgres.driver import driver_errors
from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.session import Connection, Session
from shared.errors import LeaseLost
from shared.executions.records import ExecutionStatus, HistoryEvent, StatusChange, TaskCompletion
from shared.ports import Journal

_PATIENCE_SECONDS = 30.0
"""Of a worker, which has nobody to give its execution back to."""
SHORT_PATIENCE_SECONDS = 3.0
"""Of a Lambda, whose message comes back by itself: well within its time-out, so that it can say so."""

# An execution that has ended keeps its end: the first terminal status wins. What begins and what ends is noted for the
# event bus where the project listens on it; see lifecycle.py.
_WRITE = """
WITH change AS (
    SELECT * FROM unnest(
        %b::uuid[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::json[], %b::json[], %b::bool[]
    ) AS c (id, status, started_at, completed_at, result, error, begins)
), changed AS (
    UPDATE workflow_executions AS e
    SET status = c.status, started_at = coalesce(e.started_at, c.started_at), completed_at = c.completed_at,
        result = c.result, error = c.error
    FROM change AS c
    WHERE e.id = c.id AND e.status IN ('queued', 'running')
    RETURNING e.id, e.project_id, c.status, c.started_at, c.completed_at, c.begins
), noted AS (
    INSERT INTO execution_outbox (execution_id, project_id, status, at)
    SELECT n.* FROM (
        SELECT id, project_id, 'running', started_at FROM changed WHERE begins AND started_at IS NOT NULL
        UNION ALL SELECT id, project_id, status, completed_at FROM changed WHERE completed_at IS NOT NULL
    ) AS n (id, project_id, status, at)
    WHERE EXISTS (
        SELECT FROM triggers AS t WHERE t.project_id = n.project_id AND t.type = 'event' AND t.is_active
    )
    ON CONFLICT DO NOTHING
)
INSERT INTO execution_events (execution_id, id, previous_id, type, timestamp, details, project_id)
SELECT * FROM unnest(%b::uuid[], %b::int4[], %b::int4[], %b::text[], %b::timestamptz[], %b::json[], %b::uuid[])
"""
_STORED = """
SELECT id, type, timestamp FROM execution_events WHERE execution_id = %s AND id = ANY(%s::int4[]) ORDER BY id
"""
_CHANGE_COLUMNS = 7
_EVENT_COLUMNS = 7

EventRow = tuple[UUID, int, int, str, datetime, Json, UUID]


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a row of workflow_executions."""

    id: UUID
    status: ExecutionStatus
    started_at: datetime | None
    completed_at: datetime | None
    result: Json | None
    error: Json | None
    begins: bool
    """Whether the execution ran for the first time with this."""

    def row(self) -> tuple[Any, ...]:
        return (self.id, self.status.value, self.started_at, self.completed_at, self.result, self.error, self.begins)


@dataclass(frozen=True, slots=True)
class _Write:
    execution_id: str
    events: Sequence[EventRow]
    change: _Change | None
    completes: TaskCompletion | None


class PostgresJournal(Journal):
    """Appends events and applies status changes; calls that arrive together share one commit."""

    def __init__(
        self,
        url: str,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
        on_commit: Callable[[Sequence[str]], Awaitable[None]] | None = None,
    ) -> None:
        """`patience_seconds`: how long a write tries again while the database cannot be reached. `on_commit` gets the
        ids of the executions of each group, once it is durable; it should not take long."""
        self._session = Session(url, patience_seconds=patience_seconds)
        self._group: GroupCommit[_Write, None] = GroupCommit(self._commit)
        self._on_commit = on_commit

    async def write(
        self,
        execution_id: str,
        project_id: str,
        events: Sequence[HistoryEvent],
        change: StatusChange | None = None,
        completes: TaskCompletion | None = None,
    ) -> None:
        """Appends events, applies the change and completes a parent's task in one transaction; durable once this
        returns. A lost connection is mended and the write tried again.

        Raises:
            LeaseLost: events with these numbers are there already, and others than these: another worker has taken
                the execution up. Nothing was written.
            StoreUnavailable: the database could not be reached for `patience_seconds`. Whether this was written is then
                unknown; writing it again is safe.
        """
        key, project = UUID(execution_id), UUID(project_id)
        rows = [_event_row(key, project, event) for event in events]
        row = None if change is None else _change_of(key, change, events)
        with driver_errors():
            await self._group.submit(_Write(execution_id, rows, row, completes))

    async def close(self) -> None:
        """Waits for what is being written, then closes the connection."""
        await self._group.flush()
        await self._session.close()

    async def _commit(self, writes: Sequence[_Write]) -> Sequence[None]:
        try:
            await self._session.run(lambda connection: _write(connection, writes))
        except psycopg.errors.UniqueViolation:
            if len(writes) > 1:
                raise  # each is then written alone
            await self._session.run(lambda connection: _ensure_ours(connection, writes[0]))
        if self._on_commit is not None:
            await self._on_commit(list(dict.fromkeys(write.execution_id for write in writes)))
        return [None] * len(writes)


async def _write(connection: Connection, writes: Sequence[_Write]) -> None:
    changes = _columns((change.row() for change in _merged(writes)), _CHANGE_COLUMNS)
    events = _columns((row for write in writes for row in write.events), _EVENT_COLUMNS)
    completions = [write.completes for write in writes if write.completes is not None]
    if not completions:
        await connection.execute(_WRITE, (*changes, *events))
        return
    async with connection.transaction():
        await connection.execute(_WRITE, (*changes, *events))
        await submit(connection, completions)


async def _ensure_ours(connection: Connection, write: _Write) -> None:
    """Raises LeaseLost unless the events are stored as this write has them, which then was committed before."""
    ids = [row[1] for row in write.events]
    stored = await (await connection.execute(_STORED, (UUID(write.execution_id), ids))).fetchall()
    if stored != [(row[1], row[3], row[4]) for row in write.events]:
        raise LeaseLost(f"Another worker runs the execution {write.execution_id}; this one has lost it.")


def _merged(writes: Sequence[_Write]) -> Iterable[_Change]:
    """One change an execution, since one statement can update a row only once: the last, but the first terminal one."""
    merged: dict[UUID, _Change] = {}
    for change in (write.change for write in writes):
        if change is None:
            continue
        before = merged.get(change.id)
        if before is None:
            merged[change.id] = change
        elif not before.status.terminal:
            merged[change.id] = replace(
                change,
                started_at=before.started_at or change.started_at,
                begins=before.begins or change.begins,
            )
    return merged.values()


def _change_of(execution_id: UUID, change: StatusChange, events: Sequence[HistoryEvent]) -> _Change:
    """A run that ends within its first write has no change to RUNNING; it started with its first event."""
    terminal = change.status.terminal
    first = change.at if not terminal else events[0].timestamp if events else None
    return _Change(
        id=execution_id,
        status=change.status,
        started_at=first,
        completed_at=change.at if terminal else None,
        result=_json(change.result),
        error=_json(change.error),
        begins=bool(events) and events[0].id == 1,
    )


def _event_row(execution_id: UUID, project_id: UUID, event: HistoryEvent) -> EventRow:
    details = Json(orjson.dumps(event.details), dumps=_encoded)
    return (execution_id, event.id, event.previous_id, event.type, event.timestamp, details, project_id)


def _json(value: Any) -> Json | None:
    return None if value is None else Json(orjson.dumps(value), dumps=_encoded)


def _encoded(value: bytes) -> bytes:
    """Encoded when the write was asked for, so that a value that is no JSON fails its own caller, not the group."""
    return value


def _columns(rows: Iterable[Sequence[Any]], count: int) -> list[list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(count)]
