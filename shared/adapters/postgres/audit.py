"""AuditLog on PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import audit_heads, audit_log
from shared.audit.records import Action, AuditFilter, Entry, Head
from shared.errors import InvalidParameter
from shared.identity.principal import across_projects
from shared.ports import Page
from shared.ports.audit import AuditLog

_c = audit_log.c
_CHUNK = 1_000
_WRITE = text(
    "SELECT audit_write(CAST(:project_id AS uuid), CAST(:action AS text), CAST(:target_kind AS text), "
    "CAST(:target_id AS text), NULL, CAST(:detail AS text), NULL, NULL)"
)


class PostgresAudit(AuditLog):
    """Reads in the role of requests; writes as the owner of the tables, by the database's own function.

    Lists come from `reader`, a copy that follows the database, where there is one.
    """

    def __init__(self, engine: AsyncEngine, reader: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._reader = reader or engine

    async def record(self, action: Action) -> None:
        with across_projects():
            async with transaction(self._engine) as connection:
                await connection.execute(_WRITE, asdict(action))

    async def list(self, project_id: str, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        """Newest first. Raises InvalidParameter for a bad cursor."""
        query = select(audit_log).where(_c.project_id == project_id, *_conditions(wanted))
        if cursor is not None:
            query = query.where(_c.seq < _seq(cursor))
        async with transaction(self._reader) as connection:
            rows = (await connection.execute(query.order_by(_c.seq.desc()).limit(limit + 1))).all()
        entries = [_entry(row) for row in rows[:limit]]
        return Page(entries, str(entries[-1].seq) if len(rows) > limit else None)

    async def export(self, project_id: str) -> AsyncIterator[Entry]:
        """In transactions of 1,000 entries, oldest first."""
        seq = 0
        while True:
            query = select(audit_log).where(_c.project_id == project_id, _c.seq > seq).order_by(_c.seq).limit(_CHUNK)
            async with transaction(self._engine) as connection:
                rows = (await connection.execute(query)).all()
            for row in rows:
                yield _entry(row)
            if len(rows) < _CHUNK:
                return
            seq = rows[-1].seq

    async def head(self, project_id: str) -> Head:
        query = select(audit_heads).where(audit_heads.c.project_id == project_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return Head() if row is None else Head(row.seq, row.hash, row.pruned_seq, row.pruned_hash)

    async def prune(self, before: datetime) -> int:
        async with transaction(self._engine) as connection:
            return int((await connection.execute(select(func.audit_prune(before)))).scalar_one())


def _conditions(wanted: AuditFilter) -> list[Any]:
    found = []
    if wanted.actor_id is not None:
        found.append(_c.actor_id == wanted.actor_id)
    if wanted.action is not None and wanted.action.endswith("*"):
        found.append(_c.action.startswith(wanted.action[:-1], autoescape=True))
    elif wanted.action is not None:
        found.append(_c.action == wanted.action)
    if wanted.target_id is not None:
        found.append(_c.target_id == wanted.target_id)
    if wanted.since is not None:
        found.append(_c.at >= wanted.since)
    if wanted.until is not None:
        found.append(_c.at < wanted.until)
    return found


def _seq(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):  # noqa: PLR2004 - a bigint has 19 digits
        raise InvalidParameter(
            f"The cursor '{cursor[:64]}' is not valid. Use `next_cursor` of the page before, unchanged.",
            parameter="cursor",
        )
    return int(cursor)


def _entry(row: Row[Any]) -> Entry:
    return Entry(**row._asdict())
