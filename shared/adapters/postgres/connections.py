"""ConnectionStore on PostgreSQL, without SQLAlchemy: every node's Lambda has it."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from psycopg.errors import UniqueViolation

from shared.adapters.postgres.rows import document, row, rows
from shared.adapters.postgres.session import Database
from shared.connections.records import Connection
from shared.errors import Conflict
from shared.ids import is_id
from shared.ports import ConnectionStore

_BY_NAME = "SELECT * FROM connections WHERE project_id = %s AND name = %s"
_BY_ID = "SELECT * FROM connections WHERE project_id = %s AND id = %s"
_ALL = "SELECT * FROM connections WHERE project_id = %s ORDER BY name"
_INSERT = """
INSERT INTO connections (id, project_id, name, kind, public, sealed, created_at, updated_at, "grant")
VALUES (%(id)s, %(project_id)s, %(name)s, %(kind)s, %(public)s, %(sealed)s, %(created_at)s, %(updated_at)s, %(grant)s)
"""
_UPDATE = """
UPDATE connections
SET name = %(name)s, kind = %(kind)s, public = %(public)s, sealed = %(sealed)s, created_at = %(created_at)s,
    updated_at = %(updated_at)s, "grant" = %(grant)s
WHERE project_id = %(project_id)s AND id = %(id)s
"""
_DELETE = "DELETE FROM connections WHERE project_id = %s AND id = %s"


class PostgresConnections(ConnectionStore):
    """Connections; their secrets come and go as ciphertext."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, connection: Connection) -> None:
        """Raises Conflict where the project has one of this name."""
        async with self._database.transaction() as opened:
            with _naming(connection.name):
                await opened.execute(_INSERT, _values(connection))

    async def get(self, project_id: str, connection_id: str) -> Connection | None:
        return await self._one(_BY_ID, project_id, connection_id) if is_id(connection_id) else None

    async def find(self, project_id: str, name: str) -> Connection | None:
        return None if "\0" in name else await self._one(_BY_NAME, project_id, name)

    async def list(self, project_id: str) -> Sequence[Connection]:
        """By name."""
        async with self._database.transaction() as opened:
            return [_connection(each) for each in await rows(opened, _ALL, (project_id,))]

    async def update(
        self, project_id: str, connection_id: str, change: Callable[[Connection], Awaitable[Connection]]
    ) -> Connection | None:
        """Holds the row while it changes: of two who renew a token, the second sees what the first was given."""
        async with self._database.transaction() as opened:
            found = await row(opened, f"{_BY_ID} FOR UPDATE", (project_id, connection_id))
            if found is None:
                return None
            changed = await change(_connection(found))
            with _naming(changed.name):
                await opened.execute(_UPDATE, _values(changed) | {"project_id": project_id, "id": connection_id})
        return changed

    async def delete(self, project_id: str, connection_id: str) -> None:
        """Nodes that name it fail from then on."""
        async with self._database.transaction() as opened:
            await opened.execute(_DELETE, (project_id, connection_id))

    async def _one(self, query: str, project_id: str, key: str) -> Connection | None:
        async with self._database.transaction() as opened:
            found = await row(opened, query, (project_id, key))
        return None if found is None else _connection(found)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except UniqueViolation as error:
        if error.diag.constraint_name != "uq_connections_project_id_name":
            raise
        raise Conflict(f"The project has a connection '{name}' already. Choose another name.") from None


def _values(connection: Connection) -> dict[str, Any]:
    return asdict(connection) | {"public": document(connection.public)}


def _connection(found: Any) -> Connection:
    return Connection(
        id=str(found.id),
        project_id=str(found.project_id),
        name=found.name,
        kind=found.kind,
        public=found.public,
        sealed=found.sealed,
        created_at=found.created_at,
        updated_at=found.updated_at,
        grant=found.grant,
    )
