"""ConnectionStore on PostgreSQL."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import connections
from shared.connections.records import Connection
from shared.errors import Conflict
from shared.ids import is_id
from shared.ports import ConnectionStore

_c = connections.c


class PostgresConnections(ConnectionStore):
    """Connections; their secrets come and go as ciphertext."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, connection: Connection) -> None:
        """Raises Conflict where the project has one of this name."""
        async with transaction(self._engine) as opened:
            with _naming(connection.name):
                await opened.execute(insert(connections).values(asdict(connection)))

    async def get(self, project_id: str, connection_id: str) -> Connection | None:
        return await self._one(_c.id == connection_id, project_id) if is_id(connection_id) else None

    async def find(self, project_id: str, name: str) -> Connection | None:
        return None if "\0" in name else await self._one(_c.name == name, project_id)

    async def list(self, project_id: str) -> Sequence[Connection]:
        """By name."""
        query = select(connections).where(_c.project_id == project_id).order_by(_c.name)
        async with transaction(self._engine) as connection:
            return [_connection(row) for row in await connection.execute(query)]

    async def update(
        self, project_id: str, connection_id: str, change: Callable[[Connection], Awaitable[Connection]]
    ) -> Connection | None:
        """Holds the row while it changes: of two who renew a token, the second sees what the first was given."""
        ours = and_(_c.project_id == project_id, _c.id == connection_id)
        async with transaction(self._engine) as opened:
            row = (await opened.execute(select(connections).where(ours).with_for_update())).one_or_none()
            if row is None:
                return None
            changed = await change(_connection(row))
            with _naming(changed.name):
                await opened.execute(update(connections).where(ours).values(asdict(changed)))
        return changed

    async def delete(self, project_id: str, connection_id: str) -> None:
        """Nodes that name it fail from then on."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(connections).where(_c.project_id == project_id, _c.id == connection_id))

    async def _one(self, key: ColumnElement[bool], project_id: str) -> Connection | None:
        query = select(connections).where(_c.project_id == project_id, key)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _connection(row)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if "uq_connections_project_id_name" not in str(error.orig):
            raise
        raise Conflict(f"The project has a connection '{name}' already. Choose another name.") from None


def _connection(row: Row[Any]) -> Connection:
    return Connection(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        kind=row.kind,
        public=row.public,
        sealed=row.sealed,
        created_at=row.created_at,
        updated_at=row.updated_at,
        grant=row.grant,
    )
