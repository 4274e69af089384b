"""The rows of accepted executions, whichever way they are taken in: for a stage that starts them elsewhere."""

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.flow import PostgresFlow
from shared.adapters.postgres.queue import MAX_QUEUED, PostgresQueue
from shared.clock import Clock
from shared.executions.records import Accepted, StartRequest
from shared.ports import StartQueue


class PostgresStarts(StartQueue):
    """Requests with a ticket go through flow control, all others straight to the queue."""

    def __init__(self, url: str, engine: AsyncEngine, clock: Clock, *, max_queued: int = MAX_QUEUED) -> None:
        self._queue = PostgresQueue(url, max_queued=max_queued)
        self._flow = PostgresFlow(engine, clock)

    async def submit(self, request: StartRequest) -> Accepted:
        """Durable once this returns; see StartQueue. Raises FlowRateLimited as well."""
        if request.flow is not None:
            return await self._flow.submit(request)
        return await self._queue.submit(request)

    async def close(self) -> None:
        """Waits for what is being taken in, then closes the connection."""
        await self._queue.close()
