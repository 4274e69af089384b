"""Database: one suite for SQLAlchemy's pool and for the one connection of a Lambda."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest

from shared.adapters.postgres.engine import Pooled
from shared.adapters.postgres.rows import row
from shared.adapters.postgres.session import Database, Session
from shared.adapters.postgres.values import PostgresKeyValues
from shared.errors import MalformedRequest, StoreUnavailable
from shared.identity.principal import acting_project
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import Stores, now

SET = "INSERT INTO key_values (project_id, key, value, updated_at) VALUES (%s, %s, '1', now())"
COUNT = "SELECT count(*) AS number FROM key_values WHERE key = %s"
OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture(params=["pool", "one connection"])
async def database(request: pytest.FixtureRequest, stores: Stores, postgres_url: str) -> AsyncIterator[Database]:
    if request.param == "pool":
        yield Pooled(stores.engine)
        return
    session = Session(postgres_url, patience_seconds=3)
    yield session
    await session.close()


async def count(database: Database, key: str) -> int:
    async with database.transaction() as connection:
        found = await row(connection, COUNT, (key,))
    assert found is not None
    return int(found.number)


async def test_what_a_block_did_is_kept_when_it_ends_and_not_when_it_fails(database: Database):
    kept, lost = new_id(), new_id()

    async with database.transaction() as connection:
        await connection.execute(SET, (DEFAULT_PROJECT_ID, kept))

    async def fails() -> None:
        async with database.transaction() as connection:
            await connection.execute(SET, (DEFAULT_PROJECT_ID, lost))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        await fails()
    assert [await count(database, kept), await count(database, lost)] == [1, 0]


async def test_an_acting_project_sees_its_own_rows_only_and_the_next_transaction_all(database: Database):
    key = new_id()
    async with database.transaction() as connection:
        await connection.execute(SET, (DEFAULT_PROJECT_ID, key))

    token = acting_project.set(new_id())
    try:
        assert await count(database, key) == 0
    finally:
        acting_project.reset(token)
    assert await count(database, key) == 1


async def test_a_connection_that_was_closed_meanwhile_is_mended(database: Database, postgres_url: str):
    assert await count(database, "x") == 0
    with psycopg.connect(postgres_url) as connection:
        connection.execute(OTHERS)

    assert await count(database, "x") == 0


async def test_a_connection_that_is_lost_in_a_block_says_so_and_is_mended(database: Database, postgres_url: str):
    async def loses() -> None:
        async with database.transaction() as held:
            with psycopg.connect(postgres_url) as connection:
                connection.execute(OTHERS)
            await held.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await loses()
    assert await count(database, "x") == 0


async def test_a_text_that_cannot_be_stored_is_the_callers_mistake(database: Database):
    with pytest.raises(MalformedRequest):
        async with database.transaction() as connection:
            await connection.execute(SET, (DEFAULT_PROJECT_ID, "a\0b"))


async def test_many_at_once_do_not_mix(database: Database):
    values, at = PostgresKeyValues(database), now()
    keys = [new_id() for _ in range(20)]

    async def keep(key: str) -> bool:
        return await values.set(DEFAULT_PROJECT_ID, key, {"k": key, "nul": "\0"}, at, expires_at=None, if_absent=True)

    assert all(await asyncio.gather(*map(keep, keys)))
    assert not any(await asyncio.gather(*map(keep, keys)))
    found = await asyncio.gather(*(values.get(DEFAULT_PROJECT_ID, key, at) for key in keys))
    assert found == [(True, {"k": key, "nul": "\0"}) for key in keys]


async def test_an_expired_value_makes_room(database: Database):
    values, key, at = PostgresKeyValues(database), new_id(), now()
    later = at + timedelta(seconds=10)

    assert await values.set(DEFAULT_PROJECT_ID, key, 1, at, expires_at=later, if_absent=True)
    assert await values.get(DEFAULT_PROJECT_ID, key, later) == (False, None)
    assert await values.set(DEFAULT_PROJECT_ID, key, None, later, expires_at=None, if_absent=True)
    assert await values.get(DEFAULT_PROJECT_ID, key, later) == (True, None)


async def test_a_server_that_is_not_there_says_so():
    session = Session("postgresql://nobody@127.0.0.1:1/none", patience_seconds=0)

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        async with session.transaction():
            pass
