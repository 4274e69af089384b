"""Real stores for tests: one embedded PostgreSQL and one Valkey a session, a fresh migrated database a module."""

from collections.abc import AsyncIterator
from itertools import count

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql

from functions import migrate
from shared.adapters.local.embedded_postgres import DATABASE, EmbeddedPostgres
from shared.adapters.local.embedded_valkey import EmbeddedValkey
from tests.support.stores import Stores, open_stores
from tests.support.valkey_cluster import cluster

NO_DURABILITY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""No power is lost in these tests. What a crash of the server leaves is tested with the real settings."""

_numbers = count(1)


@pytest.fixture(scope="session")
async def _postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a migrated database to copy from; nobody else may connect to it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), NO_DURABILITY)
    url = await server.start()
    try:
        migrate.run(url)
        yield url
    finally:
        await server.stop()


@pytest.fixture(scope="session")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of the session's Valkey."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    try:
        yield await server.start()
    finally:
        await server.stop()


@pytest.fixture(scope="session")
async def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of the session's Valkey in cluster mode."""
    async with cluster(tmp_path_factory.mktemp("cluster")) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_url(_postgres_server: str) -> str:
    """The URL of a fresh, migrated database, which the tests of one module share."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(_postgres_server.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True) as connection:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(DATABASE)))
    return _postgres_server.replace(f"/{DATABASE}?", f"/{name}?")


@pytest.fixture(scope="module")
async def stores(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stores]:
    """Every store on the module's database."""
    opened = open_stores(postgres_url, redis_url, Fernet.generate_key().decode(), tmp_path_factory.mktemp("blobs"))
    try:
        yield opened
    finally:
        await opened.close()
