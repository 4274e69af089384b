"""Users, keys and sessions on PostgreSQL."""

from shared.adapters.postgres.identity.keys import PostgresKeys
from shared.adapters.postgres.identity.members import PostgresMembers
from shared.adapters.postgres.identity.sessions import PostgresSessions

__all__ = ["PostgresKeys", "PostgresMembers", "PostgresSessions"]
