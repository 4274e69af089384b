"""Connections to PostgreSQL, and what goes wrong with them in Millrace's own errors."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import orjson
import psycopg
import sqlalchemy
from sqlalchemy import Engine, NullPool, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.adapters.postgres.tenancy import confine
from shared.errors import ConfigInvalid, MalformedRequest, StoreUnavailable

CONNECT_SECONDS = 5
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


def conninfo(url: str) -> str:
    """The same database for psycopg itself, without SQLAlchemy's name of the driver."""
    return _parsed(url).replace("postgresql+psycopg://", "postgresql://", 1)


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction for the length of the block; in a request of a project it sees rows of that project only.

    Raises:
        StoreUnavailable: the database cannot be reached, or was lost on the way.
        MalformedRequest: a text holds the character U+0000, which PostgreSQL cannot keep in a column of text.
    """
    with store_errors():
        async with engine.begin() as connection:
            await confine(connection)
            yield connection


@contextmanager
def store_errors() -> Iterator[None]:
    """Turns errors of the driver that are not bugs of ours into Millrace's own; the rest passes."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, psycopg.OperationalError) as error:
        raise unavailable(error) from error
    except (exc.DataError, psycopg.DataError) as error:
        if "NUL" in str(error) or "0x00" in str(error):
            raise MalformedRequest(
                "A text holds the character U+0000, which cannot be stored there. Remove it from names, "
                "descriptions, paths and keys; inside documents it is allowed."
            ) from None
        raise


def unavailable(error: Exception) -> StoreUnavailable:
    """Says why in the first line of the driver's words; the rest may hold more than is good for a message."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).splitlines()
    return StoreUnavailable(
        f"The database cannot be reached ({type(cause).__name__}: {lines[0] if lines else 'no details'}). Try again."
    )


def _parsed(url: str) -> str:
    normal = url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url
    try:
        parsed = make_url(normal)
    except exc.ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "postgresql":
        raise ConfigInvalid(
            "DATABASE_URL is not a PostgreSQL URL. Write it as postgresql://user:password@host:5432/database."
        )
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
