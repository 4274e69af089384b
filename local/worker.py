"""Runs accepted executions on the interpreter: fresh ones as they arrive, unfinished ones after a restart.

An execution belongs to this worker from the moment it is submitted here or claimed from the backlog until its terminal
state is on disk, or until it is parked. Whatever a dead worker held is claimed again, and resumes from its history.
"""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from local.machines import Machines
from shared.clock import Clock
from shared.errors import LeaseLost, StoreUnavailable
from shared.executions.nested import completion_of
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange, TaskCompletion, machine_input
from shared.observability import bind
from shared.ports import Admission, Backlog, Completions, Journal, PendingExecution
from statemachines.interpreter import Interpreter, Parked

if TYPE_CHECKING:
    from datetime import datetime

MAX_RUNNING = 2_000
"""Executions that one worker holds in memory; further ones wait in the backlog, on disk."""

MAX_ATTEMPTS = 5
"""Workers may die so often with an execution that does not get on; then it is a dead letter."""

CANCELLED = "Cancelled on request."
DEAD_LETTERED = "Millrace.DeadLettered"
_POLL_SECONDS = 0.5
_CLAIMED_AT_ONCE = 100

log = logging.getLogger(__name__)


class Worker(Completions):
    """Takes executions in, runs them side by side, and leaves what is unfinished on disk when it stops."""

    def __init__(
        self,
        *,
        name: str,
        interpreter: Interpreter,
        backlog: Backlog,
        admission: Admission,
        journal: Journal,
        machines: Machines,
        clock: Clock,
        max_running: int = MAX_RUNNING,
    ) -> None:
        """`name` is `<base>/<life>`; see Backlog."""
        self.name = name
        self._interpreter = interpreter
        self._backlog = backlog
        self._admission = admission
        self._journal = journal
        self._machines = machines
        self._clock = clock
        self._max_running = max_running
        self._running: dict[str, asyncio.Task[StatusChange | None]] = {}
        self._parking: list[tuple[str, datetime | None]] = []
        self._interrupted: list[str] = []
        self._wanted = asyncio.Event()
        self._stopping = False

    @property
    def has_room(self) -> bool:
        """Whether a request submitted now would run at once rather than wait in the backlog."""
        return not self._stopping and len(self._running) < self._max_running

    def offer(self, request: StartRequest) -> None:
        """Runs a request that was just accepted and marked as this worker's."""
        self._spawn(PendingExecution(request, ExecutionStatus.QUEUED, cancel_requested=False, history=()))

    def complete(self, completion: TaskCompletion) -> None:
        """Hands a completion that is on disk to its execution; one that is parked is looked for."""
        if not self._interpreter.complete(completion):
            self.look()

    def look(self) -> None:
        """Looks into the backlog now rather than in half a second."""
        self._wanted.set()

    async def wait(self, execution_id: str, seconds: float) -> StatusChange | None:
        """The end of an execution that runs here; None where it takes longer, runs elsewhere, or was interrupted."""
        task = self._running.get(execution_id)
        if task is None:
            return None
        await asyncio.wait({task}, timeout=seconds)
        return task.result() if task.done() and not task.cancelled() and task.exception() is None else None

    async def run(self) -> None:
        """Claims what nobody runs, and passes on what running executions have to hear of, until cancelled."""
        reclaimed = False
        while True:
            try:
                if not reclaimed:
                    await self._backlog.reclaim(self.name)
                    reclaimed = True
                await self._give_back()
                await self._admission.admit()
                await self._claim()
                await self._hear()
            except StoreUnavailable as error:
                log.warning("the backlog cannot be read; trying again", extra={"reason": error.message})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), _POLL_SECONDS)
            self._wanted.clear()

    async def stop(self) -> None:
        """Stops running; unfinished executions stay resumable, and other workers may go on with them at once."""
        self._stopping = True
        left = list(self._running)
        await self._interpreter.close()
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await self._give_back()
            await self._backlog.release(left, self.name)

    async def _claim(self) -> None:
        while self.has_room:
            room = min(self._max_running - len(self._running), _CLAIMED_AT_ONCE)
            pending = await self._backlog.claim(room, self.name, tuple(self._running))
            for each in pending:
                self._spawn(each)
            if not pending:
                return

    async def _give_back(self) -> None:
        """Together, since a flood of sleepers would else be a flood of transactions."""
        parking, self._parking = self._parking, []
        interrupted, self._interrupted = self._interrupted, []
        try:
            if parking:
                await self._backlog.park(parking, self.name)
            if interrupted:
                await self._backlog.release(interrupted, self.name)
        except StoreUnavailable:
            self._parking += parking
            self._interrupted += interrupted
            raise

    async def _hear(self) -> None:
        if not self._running:
            return
        signals = await self._backlog.signals(tuple(self._running), self.name)
        for execution_id in signals.lost:
            if execution_id in self._running:
                log.warning("another worker has taken the execution up", extra={"execution_id": execution_id})
                self._running[execution_id].cancel()
        for execution_id in signals.cancelled:
            self._interpreter.cancel(execution_id, CANCELLED)
        for completion in signals.completions:
            self._interpreter.complete(completion)

    def _spawn(self, pending: PendingExecution) -> None:
        execution_id = pending.request.execution_id
        if execution_id in self._running or self._stopping:
            return
        task = asyncio.create_task(self._execute(pending), name=f"execution {execution_id}")
        self._running[execution_id] = task
        task.add_done_callback(lambda _: self._running.pop(execution_id, None))

    async def _execute(self, pending: PendingExecution) -> StatusChange | None:
        """Runs to the end; None where it was parked, or was interrupted and has to be taken up again."""
        request = pending.request
        ids = {"execution_id": request.execution_id, "correlation_id": request.context.get("correlation_id")}
        with bind(**ids, workflow_id=request.workflow_id):
            try:
                if pending.attempts >= MAX_ATTEMPTS:
                    return await self._bury(pending)
                change = await self._run(pending)
            except StoreUnavailable as error:
                log.warning("execution interrupted by the store", extra={"reason": error.message})
                self._interrupted.append(request.execution_id)
                return None
            except LeaseLost as error:
                log.warning("execution left to another worker", extra={"reason": error.message})
                return None
            except Exception as error:
                log.exception("execution failed inside the platform")
                return await self._fail(request, error)
            if change is not None:
                log.info("execution finished", extra={"status": change.status.value})
            return change

    async def _run(self, pending: PendingExecution) -> StatusChange | None:
        request = pending.request
        loaded = await self._machines.load(request.workflow_id, request.version)
        change = await self._interpreter.run(
            loaded.machine,
            request,
            workflow_name=loaded.workflow_name,
            mode=loaded.mode,
            history=pending.history,
            cancelled=CANCELLED if pending.cancel_requested else None,
            completions=pending.completions,
            redrive=pending.redrive,
        )
        if isinstance(change, Parked):
            self._parking.append((request.execution_id, change.wake_at))
            return None
        if "parent" in request.context:
            value = machine_input(request, loaded.workflow_name)
            completion = completion_of(request, loaded.workflow_name, value, change)
            if completion is not None:  # the journal has kept it with the end; this saves the way over the disk
                self.complete(completion)
        if loaded.limited:
            self.look()
        return change

    async def _bury(self, pending: PendingExecution) -> StatusChange:
        """It may be what kills the workers: it stays where it is until somebody redrives it."""
        request = pending.request
        log.error("execution is a dead letter", extra={"attempts": pending.attempts})
        cause = (
            f"{pending.attempts} workers ended while they ran this execution, and its history did not grow. It is not "
            "tried again by itself. Find out why in their logs, then redrive it."
        )
        return await self._end(request, {"name": DEAD_LETTERED, "cause": cause})

    async def _fail(self, request: StartRequest, error: Exception) -> StatusChange | None:
        """A bug of ours must end the execution in words instead of leaving it running for ever."""
        problem: dict[str, Any] = {
            "name": "Millrace.InternalError",
            "cause": f"The interpreter failed with {type(error).__name__}; the server's log has the details.",
        }
        try:
            return await self._end(request, problem)
        except StoreUnavailable:
            self._interrupted.append(request.execution_id)
            return None

    async def _end(self, request: StartRequest, problem: dict[str, Any]) -> StatusChange:
        change = StatusChange(ExecutionStatus.FAILED, self._clock.now(), error=problem)
        completes = completion_of(request, "", None, change)
        await self._journal.write(request.execution_id, request.project_id, (), change, completes)
        return change
