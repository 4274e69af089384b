"""KeyValues on PostgreSQL, without SQLAlchemy: the Lambda of tools has it."""

from datetime import datetime
from typing import Any

from shared.adapters.postgres.rows import document, row
from shared.adapters.postgres.session import Database
from shared.ports import KeyValues

_SWEEP = 100
"""Expired values that one write takes away."""

_GET = """
SELECT value FROM key_values
WHERE project_id = %(project_id)s AND key = %(key)s AND (expires_at IS NULL OR expires_at > %(now)s)
"""
_SET = """
INSERT INTO key_values (project_id, key, value, updated_at, expires_at)
VALUES (%(project_id)s, %(key)s, %(value)s, %(now)s, %(expires_at)s)
ON CONFLICT (project_id, key) DO UPDATE
SET value = excluded.value, updated_at = excluded.updated_at, expires_at = excluded.expires_at
WHERE NOT %(if_absent)s OR key_values.expires_at <= %(now)s
RETURNING key
"""
_FORGET = f"""
DELETE FROM key_values WHERE (project_id, key) IN (
    SELECT project_id, key FROM key_values
    WHERE project_id = %(project_id)s AND expires_at <= %(now)s AND key <> %(key)s
    LIMIT {_SWEEP} FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 - of a constant


class PostgresKeyValues(KeyValues):
    """One row for each key; a write also takes some expired ones of its project away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, project_id: str, key: str, now: datetime) -> tuple[bool, Any]:
        """Whether there is one, and the value. Raises StoreUnavailable."""
        async with self._database.transaction() as connection:
            found = await row(connection, _GET, {"project_id": project_id, "key": key, "now": now})
        return (False, None) if found is None else (True, found.value)

    async def set(
        self, project_id: str, key: str, value: Any, now: datetime, *, expires_at: datetime | None, if_absent: bool
    ) -> bool:
        """Keeps the value; with `if_absent` only where there is none, and then tells. Raises StoreUnavailable."""
        named = {"project_id": project_id, "key": key, "now": now}
        fields = {"value": document(value), "expires_at": expires_at, "if_absent": if_absent}
        async with self._database.transaction() as connection:
            kept = await row(connection, _SET, named | fields)
            await connection.execute(_FORGET, named)
        return kept is not None
