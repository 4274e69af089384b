"""One connection to PostgreSQL that mends itself, for writers that commit in groups and for small Lambdas."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

import psycopg

from shared.adapters.postgres.driver import CONNECT_SECONDS, conninfo, driver_errors, unavailable
from shared.adapters.postgres.tenancy import confinement

T = TypeVar("T")
Connection = psycopg.AsyncConnection[tuple[object, ...]]

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0

log = logging.getLogger(__name__)


class Database(Protocol):
    """Where adapters run statements that are written for the driver: one connection (below), or SQLAlchemy's pool."""

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction for the length of the block; in a request of a project it sees rows of that project only.
        Raises StoreUnavailable and MalformedRequest, as `driver_errors` says."""


class Session(Database):
    """Runs one piece of work at a time. Psycopg itself rather than SQLAlchemy: this is the hot path of every node."""

    def __init__(self, url: str, *, patience_seconds: float) -> None:
        """`patience_seconds`: how long `run` tries again while the database cannot be reached."""
        self._conninfo = conninfo(url)
        self._patience = patience_seconds
        self._connection: Connection | None = None
        self._free = asyncio.Lock()

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """The result of `work`, each statement of which is its own transaction.

        After a lost connection `work` runs again, and may find that its first run was committed after all: it must not
        do anything twice.

        Raises:
            StoreUnavailable: the database could not be reached for `patience_seconds`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return await work(await self._connected())
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                await self.close()
                if loop.time() + pause > deadline:
                    raise unavailable(error) from error
                log.warning("the database connection was lost; trying again", extra={"reason": type(error).__name__})
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One after the other, so that a block must not ask for another; each begins on a connection that answers. What
        happens in the block is not repeated."""
        with driver_errors():
            async with self._free:
                connection = await self._answering()
                async with connection.transaction():
                    if (confined := confinement()) is not None:
                        await connection.execute(*confined)
                    yield connection

    async def close(self) -> None:
        """Closes the connection; the next work opens another."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS
            )
        return self._connection

    async def _answering(self) -> Connection:
        """Between two events a Lambda may sleep for longer than its connection lives."""
        connection = await self._connected()
        try:
            await connection.execute("")
        except (psycopg.OperationalError, psycopg.InterfaceError):
            await self.close()
            connection = await self._connected()
        return connection
