"""SQLAlchemy's connections to PostgreSQL, and what goes wrong with them in Millrace's own errors."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import cast

import orjson
import sqlalchemy
from sqlalchemy import URL, Engine, NullPool, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.adapters.postgres.driver import CONNECT_SECONDS, conninfo, driver_errors, unavailable
from shared.adapters.postgres.session import Connection, Database
from shared.adapters.postgres.tenancy import confinement

POOL_SIZE = 10


def create_engine(url: str, *, pool_size: int = POOL_SIZE) -> AsyncEngine:
    """An engine over psycopg 3 for `postgresql://…` (or `postgres://…`). Nothing is connected yet.

    Raises:
        ConfigInvalid: the URL is not one of PostgreSQL.
    """
    return create_async_engine(
        _parsed(url),
        pool_size=pool_size,
        max_overflow=5,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={"connect_timeout": CONNECT_SECONDS},
    )


def create_sync_engine(url: str) -> Engine:
    """One blocking connection at a time, for migrations."""
    return sqlalchemy.create_engine(_parsed(url), poolclass=NullPool)


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction for the length of the block; in a request of a project it sees rows of that project only.

    Raises:
        StoreUnavailable: the database cannot be reached, or was lost on the way.
        MalformedRequest: a text holds the character U+0000, which PostgreSQL cannot keep in a column of text.
    """
    with store_errors():
        async with engine.begin() as connection:
            if (confined := confinement()) is not None:
                await connection.exec_driver_sql(*confined)
            yield connection


class Pooled(Database):
    """An engine's connections, for adapters whose statements a small Lambda runs without SQLAlchemy."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with transaction(self._engine) as connection:
            yield cast("Connection", (await connection.get_raw_connection()).driver_connection)


@contextmanager
def store_errors() -> Iterator[None]:
    """As `driver_errors`, for statements of SQLAlchemy, which wraps what the driver raises."""
    with driver_errors():
        try:
            yield
        except exc.TimeoutError as error:  # no connection of the pool was free
            raise unavailable(error) from error
        except (exc.OperationalError, exc.InterfaceError, exc.DataError) as error:
            raise error.orig or error from error


def _parsed(url: str) -> URL:
    return make_url(conninfo(url)).set(drivername="postgresql+psycopg")
