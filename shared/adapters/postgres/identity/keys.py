"""KeyStore on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import api_keys
from shared.identity.records import ApiKey
from shared.ids import is_id
from shared.ports.identity import KeyStore

_c = api_keys.c


class PostgresKeys(KeyStore):
    """API keys, by the digests of them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def by_prefix(self, prefix: str) -> ApiKey | None:
        """Whatever its project, revoked and expired ones included."""
        async with transaction(self._engine) as connection:
            row = (await connection.execute(select(api_keys).where(_c.prefix == prefix))).one_or_none()
        return None if row is None else ApiKey(**row._asdict())

    async def create(self, key: ApiKey) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(insert(api_keys).values(asdict(key)))

    async def list(self, project_id: str) -> Sequence[ApiKey]:
        """Newest first, revoked ones included."""
        query = select(api_keys).where(_c.project_id == project_id).order_by(_c.id.desc())
        async with transaction(self._engine) as connection:
            return [ApiKey(**row._asdict()) for row in await connection.execute(query)]

    async def revoke(self, project_id: str, key_id: str, at: datetime) -> bool:
        """Whether the project has the key; revoking twice is once."""
        if not is_id(key_id):
            return False
        mine = update(api_keys).where(_c.project_id == project_id, _c.id == key_id)
        async with transaction(self._engine) as connection:
            await connection.execute(mine.where(_c.revoked_at.is_(None)).values(revoked_at=at))
            found = await connection.execute(select(_c.id).where(_c.project_id == project_id, _c.id == key_id))
            return found.one_or_none() is not None

    async def revoke_of(self, project_id: str, creator_id: str, at: datetime) -> None:
        """Every key of the project that this user made."""
        theirs = update(api_keys).where(_c.project_id == project_id, _c.created_by == creator_id)
        async with transaction(self._engine) as connection:
            await connection.execute(theirs.where(_c.revoked_at.is_(None)).values(revoked_at=at))

    async def used(self, key_id: str, at: datetime) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(update(api_keys).where(_c.id == key_id).values(last_used_at=at))
