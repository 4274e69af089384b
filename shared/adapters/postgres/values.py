"""KeyValues on PostgreSQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import key_values
from shared.ports import KeyValues

_c = key_values.c
_SWEEP = 100
"""Expired values that one write takes away."""


class PostgresKeyValues(KeyValues):
    """One row for each key; a write also takes some expired ones of its project away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, project_id: str, key: str, now: datetime) -> tuple[bool, Any]:
        """Whether there is one, and the value. Raises StoreUnavailable."""
        there = or_(_c.expires_at.is_(None), _c.expires_at > now)
        async with transaction(self._engine) as connection:
            wanted = select(_c.value).where(_c.project_id == project_id, _c.key == key, there)
            row = (await connection.execute(wanted)).one_or_none()
        return (False, None) if row is None else (True, row[0])

    async def set(
        self, project_id: str, key: str, value: Any, now: datetime, *, expires_at: datetime | None, if_absent: bool
    ) -> bool:
        """Keeps the value; with `if_absent` only where there is none, and then tells. Raises StoreUnavailable."""
        fields = {"value": value, "updated_at": now, "expires_at": expires_at}
        row = insert(key_values).values(project_id=project_id, key=key, **fields)
        written = row.on_conflict_do_update(
            index_elements=[_c.project_id, _c.key], set_=fields, where=_c.expires_at <= now if if_absent else None
        )
        expired = select(_c.project_id, _c.key).where(_c.project_id == project_id, _c.expires_at <= now, _c.key != key)
        stale = expired.limit(_SWEEP).with_for_update(skip_locked=True)
        async with transaction(self._engine) as connection:
            kept = (await connection.execute(written.returning(_c.key))).one_or_none()
            await connection.execute(delete(key_values).where(tuple_(_c.project_id, _c.key).in_(stale)))
        return kept is not None
