"""Completions where executions run elsewhere: their rows are asked, by primary key and with growing pauses."""

import asyncio
import logging
from typing import Any
from uuid import UUID

from shared.adapters.postgres.driver import driver_errors
from shared.adapters.postgres.session import Connection, Session
from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, StatusChange
from shared.ports import Completions

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds. A state machine of one state ends about a second after it was asked for."""

_PATIENCE_SECONDS = 1.0
_ENDED = """
SELECT status, completed_at, result, error FROM workflow_executions WHERE id = %s AND completed_at IS NOT NULL
"""

log = logging.getLogger(__name__)


class PostgresEnds(Completions):
    """Hears of ends that others write down, at most a pause later."""

    def __init__(self, url: str, *, most_seconds: float) -> None:
        """Nothing is connected yet. Nobody waits longer than `most_seconds`."""
        self._session = Session(url, patience_seconds=_PATIENCE_SECONDS)
        self._most = most_seconds

    async def wait(self, execution_id: str, seconds: float) -> StatusChange | None:
        """The end, of an execution that may have no row yet; None where it takes longer, or the database is away."""
        try:
            async with asyncio.timeout(min(seconds, self._most)):
                return await self._end(UUID(execution_id))
        except TimeoutError:
            return None
        except StoreUnavailable as error:
            log.warning("the end of an execution cannot be waited for", extra={"reason": error.message})
            return None

    async def close(self) -> None:
        """Closes the connection."""
        await self._session.close()

    async def _end(self, execution_id: UUID) -> StatusChange:
        pause = FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            if (change := await self._look(execution_id)) is not None:
                return change
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _look(self, execution_id: UUID) -> StatusChange | None:
        async def work(connection: Connection) -> StatusChange | None:
            row: Any = await (await connection.execute(_ENDED, [execution_id])).fetchone()
            return None if row is None else StatusChange(ExecutionStatus(row[0]), *row[1:])

        with driver_errors():
            return await self._session.run(work)
