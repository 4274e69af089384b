"""The local stage's doors to PostgreSQL: what comes in is on disk, then goes straight to the worker of this process.

That saves the round trip through the backlog; a worker elsewhere, or one without room, finds everything on disk.
"""

from local.worker import Worker
from shared.adapters.postgres.completions import PostgresTaskCompletions
from shared.adapters.postgres.flow import PostgresFlow
from shared.adapters.postgres.queue import PostgresQueue
from shared.executions.records import Accepted, StartRequest, TaskCompletion
from shared.ports import Admission, StartQueue, TaskCompletions


class LocalQueue(StartQueue):
    """Start requests run here at once while the worker has room and nothing limits them."""

    def __init__(self, queue: PostgresQueue, flow: PostgresFlow) -> None:
        self._queue = queue
        self._flow = flow
        self._worker: Worker | None = None

    def attach(self, worker: Worker) -> None:
        """The worker of this process, which itself may start executions."""
        self._worker = worker

    async def submit(self, request: StartRequest) -> Accepted:
        """Durable once this returns; see StartQueue."""
        if request.flow is not None:
            accepted = await self._flow.submit(request)
            if self._worker is not None:
                self._worker.look()
            return accepted
        worker = self._worker if self._worker is not None and self._worker.has_room else None
        accepted = await self._queue.submit(request, worker=worker.name if worker else None)
        if worker is not None and not accepted.duplicate:
            if accepted.admitted:
                worker.offer(request)
            else:
                worker.look()
        return accepted


class LocalAdmission(Admission):
    """First what flow control lets go, then what the limits of workflows and projects let begin."""

    def __init__(self, flow: PostgresFlow, admission: Admission) -> None:
        self._flow = flow
        self._admission = admission

    async def admit(self) -> int:
        """How many were admitted."""
        return await self._flow.advance() + await self._admission.admit()


class LocalTaskCompletions(TaskCompletions):
    """Completions reach an execution that runs here at once."""

    def __init__(self, completions: PostgresTaskCompletions, worker: Worker) -> None:
        self._completions = completions
        self._worker = worker

    async def submit(self, completion: TaskCompletion) -> bool:
        """Durable once this returns; see TaskCompletions."""
        kept = await self._completions.submit(completion)
        if kept:
            self._worker.complete(completion)
        return kept
