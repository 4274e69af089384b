"""SessionStore on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import login_attempts, refresh_tokens, signing_keys
from shared.identity.records import Attempts, RefreshToken, SigningKey
from shared.ports.identity import SessionStore

_r, _a, _k = refresh_tokens.c, login_attempts.c, signing_keys.c


class PostgresSessions(SessionStore):
    """Refresh tokens, failed logins, and the keys of access tokens."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, token: RefreshToken) -> bool:
        """Forgets tokens of the same user that have expired.

        The rows of the family are locked: a second use that revokes it comes before, and is seen, or after, and
        revokes this token as well.
        """
        family = select(_r.revoked_at).where(_r.family_id == token.family_id).order_by(_r.id).with_for_update()
        async with transaction(self._engine) as connection:
            if any((await connection.execute(family)).scalars()):
                return False
            expired = delete(refresh_tokens).where(_r.user_id == token.user_id, _r.expires_at < token.created_at)
            await connection.execute(expired)
            new = upsert(refresh_tokens).values(asdict(token)).on_conflict_do_nothing(index_elements=["id"])
            if (await connection.execute(new.returning(_r.id))).scalar() is not None:
                return True
        await self.revoke_family(token.family_id, token.created_at)
        return False

    async def use(self, digest: str, at: datetime) -> tuple[RefreshToken | None, bool]:
        """The token of this digest and whether this is its first use; a second use revokes its family.

        Of two uses at once one is the second: the row is locked.
        """
        async with transaction(self._engine) as connection:
            query = select(refresh_tokens).where(_r.digest == digest).with_for_update()
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None, False
            token = RefreshToken(**row._asdict())
            if token.used_at is not None:
                family = update(refresh_tokens).where(_r.family_id == token.family_id, _r.revoked_at.is_(None))
                await connection.execute(family.values(revoked_at=at))
                return token, False
            await connection.execute(update(refresh_tokens).where(_r.id == token.id).values(used_at=at))
            return token, True

    async def revoke_family(self, family_id: str, at: datetime) -> None:
        family = update(refresh_tokens).where(_r.family_id == family_id, _r.revoked_at.is_(None))
        async with transaction(self._engine) as connection:
            await connection.execute(family.values(revoked_at=at))

    async def attempts(self, subject: str) -> Attempts | None:
        query = select(_a.failures, _a.last_failed_at).where(_a.subject == subject)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Attempts(row.failures, row.last_failed_at)

    async def failed(self, subject: str, at: datetime, forget_after: timedelta) -> None:
        """Counts one more, and forgets every address that did not fail for `forget_after`."""
        statement = upsert(login_attempts).values(subject=subject, failures=1, last_failed_at=at)
        more = {"failures": _a.failures + 1, "last_failed_at": at}
        async with transaction(self._engine) as connection:
            await connection.execute(delete(login_attempts).where(_a.last_failed_at < at - forget_after))
            await connection.execute(statement.on_conflict_do_update(index_elements=["subject"], set_=more))

    async def succeeded(self, subject: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(delete(login_attempts).where(_a.subject == subject))

    async def signing_keys(self) -> Sequence[SigningKey]:
        """Those that are not retired, newest first."""
        query = select(signing_keys).where(_k.retired_at.is_(None)).order_by(_k.created_at.desc(), _k.kid)
        async with transaction(self._engine) as connection:
            return [SigningKey(**row._asdict()) for row in await connection.execute(query)]

    async def add_signing_key(self, key: SigningKey) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(insert(signing_keys).values(asdict(key)))

    async def retire_signing_keys(self, before: datetime, at: datetime) -> None:
        """Those made before `before` verify nothing any more."""
        old = update(signing_keys).where(_k.created_at < before, _k.retired_at.is_(None))
        async with transaction(self._engine) as connection:
            await connection.execute(old.values(retired_at=at))
