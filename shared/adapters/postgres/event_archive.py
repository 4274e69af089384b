"""EventArchive and EventReplays on PostgreSQL. Keys of events grow with time, so a range of times is one of keys."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, encode_cursor, page
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.event_rows import event_of_row
from shared.adapters.postgres.failures import keep_failures
from shared.adapters.postgres.tables import event_queue, event_replays, events
from shared.errors import Conflict
from shared.ids import is_id, lowest_id
from shared.ports import Page
from shared.ports.events import EventArchive, EventReplays
from shared.triggers.dead_letters import Undelivered
from shared.triggers.events.records import Event
from shared.triggers.events.replays import Replay, ReplayStatus

_r = event_replays.c


class PostgresEventArchive(EventArchive):
    """What was published.

    Lists come from `reader`, a copy that follows the database, where there is one.
    """

    def __init__(self, engine: AsyncEngine, reader: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._reader = reader or engine

    async def list(self, project_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Event]:
        """Newest first. Raises InvalidParameter for a bad cursor."""
        query = select(events).where(events.c.project_id == project_id)
        if cursor is not None:
            query = query.where(events.c.key < decode_cursor(cursor))
        async with transaction(self._reader) as connection:
            rows = (await connection.execute(query.order_by(events.c.key.desc()).limit(limit + 1))).all()
        more = encode_cursor(rows[limit - 1].key) if len(rows) > limit else None
        return Page([event_of_row(row) for row in rows[:limit]], more)

    async def between(
        self, project_id: str, since: datetime, until: datetime, *, after: str | None, limit: int
    ) -> Sequence[Event]:
        """Events that were taken in from `since` until before `until`, with a key above `after`, oldest first."""
        in_time = and_(events.c.received_at >= since, events.c.received_at < until)
        keys = and_(events.c.key > (after or lowest_id(since)), events.c.key < lowest_id(until + timedelta(seconds=1)))
        query = select(events).where(events.c.project_id == project_id, keys, in_time)
        async with transaction(self._engine) as connection:
            rows = await connection.execute(query.order_by(events.c.key).limit(limit))
            return [event_of_row(row) for row in rows]

    async def prune(self, before: datetime, *, limit: int = 10_000) -> int:
        """Removes events that were taken in before, except those that triggers have yet to see; how many."""
        waiting = select(event_queue.c.key)
        old = select(events.c.key).where(events.c.key < lowest_id(before), events.c.key.not_in(waiting)).limit(limit)
        async with transaction(self._engine) as connection:
            return (await connection.execute(delete(events).where(events.c.key.in_(old)))).rowcount


class PostgresEventReplays(EventReplays):
    """A row for each replay; a claim is a lease in it.

    Lists come from `reader`, a copy that follows the database, where there is one.
    """

    def __init__(self, engine: AsyncEngine, reader: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._reader = reader or engine

    async def create(self, replay: Replay) -> Replay:
        """Keeps the replay, or gives the one of this name that says the same. Raises Conflict."""
        row = insert(event_replays).values({**asdict(replay), "status": replay.status.value})
        named = select(event_replays).where(_r.project_id == replay.project_id, _r.name == replay.name)
        async with transaction(self._engine) as connection:
            await connection.execute(row.on_conflict_do_nothing())
            kept = _replay((await connection.execute(named)).one())
        if _said(kept) != _said(replay):
            raise Conflict(
                f"The replay '{replay.name}' was asked for earlier with other times, triggers or pattern. Choose "
                "another name for another replay."
            )
        return kept

    async def get(self, project_id: str, replay_id: str) -> Replay | None:
        if not is_id(replay_id):
            return None
        query = select(event_replays).where(_r.project_id == project_id, _r.id == replay_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _replay(row)

    async def list(self, project_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Replay]:
        """Newest first. Raises InvalidParameter for a bad cursor."""
        query = select(event_replays).where(_r.project_id == project_id)
        if cursor is not None:
            query = query.where(_r.id < decode_cursor(cursor))
        async with transaction(self._reader) as connection:
            rows = (await connection.execute(query.order_by(_r.id.desc()).limit(limit + 1))).all()
        return page(rows, limit, _replay)

    async def cancel(self, project_id: str, replay_id: str, at: datetime) -> None:
        """One that runs stops at its next page."""
        running = and_(_r.project_id == project_id, _r.id == replay_id, _r.status == ReplayStatus.RUNNING.value)
        change = update(event_replays).where(running)
        async with transaction(self._engine) as connection:
            await connection.execute(change.values(status=ReplayStatus.CANCELLED.value, completed_at=at))

    async def claim(self, now: datetime, *, lease: timedelta, only: str | None = None) -> Replay | None:
        """A running replay that no live process holds; the oldest first, or, if so, the one of the id `only`."""
        free = or_(_r.claimed_until.is_(None), _r.claimed_until <= now)
        picked = (
            select(_r.id)
            .where(_r.status == ReplayStatus.RUNNING.value, free, *((_r.id == only,) if only is not None else ()))
            .order_by(_r.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taken = update(event_replays).where(_r.id == picked.scalar_subquery()).values(claimed_until=now + lease)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(taken.returning(event_replays))).one_or_none()
        return None if row is None else _replay(row)

    async def advance(self, replay: Replay, undelivered: Sequence[Undelivered], now: datetime) -> None:
        """Keeps how far the replay got, with what failed, and gives it back. A cancel that came meanwhile stays."""
        running = and_(_r.id == replay.id, _r.status == ReplayStatus.RUNNING.value)
        values = {
            "cursor": replay.cursor,
            "scanned": replay.scanned,
            "delivered": replay.delivered,
            "status": replay.status.value,
            "completed_at": replay.completed_at,
            "claimed_until": None,
        }
        fresh = _r.cursor.is_(None)
        further = fresh if replay.cursor is None else or_(fresh, _r.cursor <= replay.cursor)
        async with transaction(self._engine) as connection:
            await connection.execute(update(event_replays).where(running, further).values(values))
            await keep_failures(connection, undelivered, now)


def _said(replay: Replay) -> tuple[Any, ...]:
    return replay.starts_at, replay.ends_at, replay.pattern, list(replay.trigger_ids)


def _replay(row: Row[Any]) -> Replay:
    return Replay(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        pattern=row.pattern,
        trigger_ids=row.trigger_ids,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        status=ReplayStatus(row.status),
        created_at=row.created_at,
        completed_at=row.completed_at,
        cursor=row.cursor,
        scanned=row.scanned,
        delivered=row.delivered,
    )
