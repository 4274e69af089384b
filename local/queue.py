"""The local stage's start queue: a request is on disk in PostgreSQL, then goes straight to the worker."""

from local.worker import Worker
from shared.adapters.postgres.queue import PostgresQueue
from shared.executions.records import Accepted, StartRequest
from shared.ports import StartQueue


class LocalQueue(StartQueue):
    """Saves the round trip through the backlog while the worker has room; beyond that, requests wait on disk."""

    def __init__(self, queue: PostgresQueue, worker: Worker) -> None:
        self._queue = queue
        self._worker = worker

    async def submit(self, request: StartRequest) -> Accepted:
        """Durable once this returns; see StartQueue."""
        here = self._worker.has_room
        accepted = await self._queue.submit(request, worker=self._worker.name if here else None)
        if here and not accepted.duplicate:
            self._worker.offer(request)
        return accepted
