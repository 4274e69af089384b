"""EventBus, EventQueue and EventTriggers on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import store_errors, transaction
from shared.adapters.postgres.event_rows import INSERT_EVENTS, columns_of, event_of_row
from shared.adapters.postgres.failures import keep_failures
from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.session import Connection, Session
from shared.adapters.postgres.tables import event_queue, triggers, workflows
from shared.errors import IdempotencyMismatch
from shared.ports.events import ClaimedEvent, EventBus, EventQueue, EventTriggers
from shared.triggers.dead_letters import Undelivered
from shared.triggers.events.records import Event, Published
from shared.triggers.records import Trigger, TriggerType

_PATIENCE_SECONDS = 3.0
_MAX_WAITING = 5_000

_FIND = """
SELECT project_id, id, digest FROM events
WHERE (project_id, id) IN (SELECT * FROM unnest(%b::uuid[], %b::text[]))
"""
_CLAIM = text(
    """
    WITH picked AS (
        SELECT key FROM event_queue WHERE claimable_at <= :now
        ORDER BY claimable_at, key LIMIT :limit FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE event_queue AS q SET claimable_at = :until, attempts = q.attempts + 1
        FROM picked AS p WHERE q.key = p.key RETURNING q.key, q.attempts
    )
    SELECT e.*, c.attempts FROM claimed AS c JOIN events AS e USING (key) ORDER BY e.key
    """
)


class PostgresEvents(EventBus, EventQueue):
    """Events that are published together share one commit."""

    def __init__(self, url: str, engine: AsyncEngine) -> None:
        self._engine = engine
        self._session = Session(url, patience_seconds=_PATIENCE_SECONDS)
        self._group: GroupCommit[Event, Published | IdempotencyMismatch] = GroupCommit(
            self._commit, max_waiting=_MAX_WAITING
        )

    async def publish(self, event: Event) -> Published:
        """Takes the event; durable once this returns. Raises IdempotencyMismatch and StoreUnavailable."""
        with store_errors():
            answer = await self._group.submit(event)
        if isinstance(answer, IdempotencyMismatch):
            raise answer
        return answer

    async def close(self) -> None:
        """Waits for what is being taken in, then closes the connection."""
        await self._group.flush()
        await self._session.close()

    async def claim(self, now: datetime, *, lease: timedelta, limit: int) -> Sequence[ClaimedEvent]:
        """Two dispatchers that claim at once skip each other's rows."""
        async with transaction(self._engine) as connection:
            rows = await connection.execute(_CLAIM, {"now": now, "until": now + lease, "limit": limit})
            return [ClaimedEvent(event_of_row(row), row.attempts) for row in rows]

    async def finish(self, events: Sequence[Event], undelivered: Sequence[Undelivered], now: datetime) -> None:
        """Takes the events from the queue, and keeps what failed, in one transaction."""
        done = delete(event_queue).where(event_queue.c.key.in_([event.key for event in events]))
        async with transaction(self._engine) as connection:
            await keep_failures(connection, undelivered, now)
            await connection.execute(done)

    async def _commit(self, batch: Sequence[Event]) -> Sequence[Published | IdempotencyMismatch]:
        columns = columns_of(batch, [True] * len(batch))

        async def work(connection: Connection) -> list[Published | IdempotencyMismatch]:
            rows = await (await connection.execute(INSERT_EVENTS, columns)).fetchall()
            taken = {str(key) for (key,) in rows}
            others = [event for event in batch if event.key not in taken]
            earlier = await _find(connection, others) if others else {}
            return [_answer(event, taken, earlier) for event in batch]

        return await self._session.run(work)


class PostgresEventTriggers(EventTriggers):
    """The triggers that listen."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def stamp(self) -> Any:
        """How many there are, and when one or its workflow last changed: adding, changing and removing all show."""
        changed = func.max(func.greatest(triggers.c.updated_at, workflows.c.updated_at))
        query = select(func.count(), changed).select_from(_JOINED).where(_LISTENING)
        async with transaction(self._engine) as connection:
            return tuple((await connection.execute(query)).one())

    async def active(self) -> Sequence[Trigger]:
        """Active event triggers of active workflows, of all projects."""
        query = select(triggers).select_from(_JOINED).where(_LISTENING)
        async with transaction(self._engine) as connection:
            return [_trigger(row) for row in await connection.execute(query)]


_JOINED = triggers.join(workflows, workflows.c.id == triggers.c.workflow_id)
_LISTENING = and_(triggers.c.type == text("'event'"), triggers.c.is_active, workflows.c.status == "active")


async def _find(connection: Connection, events: Sequence[Event]) -> dict[tuple[str, str], str]:
    """Digests of stored events, by project and id."""
    keys = ([UUID(event.project_id) for event in events], [event.id for event in events])
    rows: list[tuple[Any, ...]] = await (await connection.execute(_FIND, keys)).fetchall()
    return {(str(project_id), id_): digest for project_id, id_, digest in rows}


def _answer(event: Event, taken: set[str], earlier: dict[tuple[str, str], str]) -> Published | IdempotencyMismatch:
    if event.key in taken:
        return Published(event.id)
    if earlier[event.project_id, event.id] == event.digest():
        return Published(event.id, duplicate=True)
    return IdempotencyMismatch(
        f"An event with the id '{event.id}' was published earlier and said something else. Send the same again, or use "
        "a new id for a new event."
    )


def _trigger(row: Row[Any]) -> Trigger:
    return Trigger(
        id=row.id,
        project_id=row.project_id,
        workflow_id=row.workflow_id,
        type=TriggerType(row.type),
        config=row.config,
        is_active=row.is_active,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
