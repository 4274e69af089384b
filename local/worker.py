"""Runs accepted executions on the interpreter: fresh ones as they arrive, unfinished ones after a restart.

An execution belongs to this worker from the moment it is submitted here or claimed from the backlog until its terminal
state is on disk. Whatever a dead worker held is claimed again, and resumes from its history.
"""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange
from shared.observability import bind
from shared.ports import Backlog, Completions, Journal, PendingExecution, WorkflowStore
from statemachines.interpreter import Interpreter, Machine, Parked

MAX_RUNNING = 2_000
"""Executions that one worker holds in memory; further ones wait in the backlog, on disk."""

CANCELLED = "Cancelled on request."
_POLL_SECONDS = 0.5
_MACHINES_KEPT = 256

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Loaded:
    machine: Machine
    workflow_name: str
    mode: str


class Worker(Completions):
    """Takes executions in, runs them side by side, and leaves what is unfinished on disk when it stops."""

    def __init__(
        self,
        *,
        name: str,
        interpreter: Interpreter,
        backlog: Backlog,
        journal: Journal,
        workflows: WorkflowStore,
        clock: Clock,
        max_running: int = MAX_RUNNING,
    ) -> None:
        self.name = name
        self._interpreter = interpreter
        self._backlog = backlog
        self._journal = journal
        self._workflows = workflows
        self._clock = clock
        self._max_running = max_running
        self._running: dict[str, asyncio.Task[StatusChange | None]] = {}
        self._machines: OrderedDict[tuple[str, int], _Loaded] = OrderedDict()
        self._stopping = False

    @property
    def has_room(self) -> bool:
        """Whether a request submitted now would run at once rather than wait in the backlog."""
        return not self._stopping and len(self._running) < self._max_running

    def offer(self, request: StartRequest) -> None:
        """Runs a request that was just accepted and marked as this worker's."""
        self._spawn(PendingExecution(request, ExecutionStatus.QUEUED, cancel_requested=False, history=()))

    async def wait(self, execution_id: str, seconds: float) -> StatusChange | None:
        """The end of an execution that runs here; None where it takes longer, runs elsewhere, or was interrupted."""
        task = self._running.get(execution_id)
        if task is None:
            return None
        await asyncio.wait({task}, timeout=seconds)
        return task.result() if task.done() and not task.cancelled() and task.exception() is None else None

    async def run(self) -> None:
        """Claims what nobody runs and passes cancel requests on, until cancelled."""
        while True:
            try:
                await self._claim()
                await self._pass_cancels_on()
            except StoreUnavailable as error:
                log.warning("the backlog cannot be read; trying again", extra={"reason": error.message})
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(self) -> None:
        """Stops running; unfinished executions stay resumable."""
        self._stopping = True
        await self._interpreter.close()
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _claim(self) -> None:
        while self.has_room:
            room = min(self._max_running - len(self._running), 100)
            pending = await self._backlog.claim(room, self.name, tuple(self._running))
            for each in pending:
                self._spawn(each)
            if len(pending) < room:
                return

    async def _pass_cancels_on(self) -> None:
        if not self._running:
            return
        for execution_id in await self._backlog.cancelled(tuple(self._running)):
            self._interpreter.cancel(execution_id, CANCELLED)

    def _spawn(self, pending: PendingExecution) -> None:
        execution_id = pending.request.execution_id
        if execution_id in self._running or self._stopping:
            return
        task = asyncio.create_task(self._execute(pending), name=f"execution {execution_id}")
        self._running[execution_id] = task
        task.add_done_callback(lambda _: self._running.pop(execution_id, None))

    async def _execute(self, pending: PendingExecution) -> StatusChange | None:
        """Runs to the end; None where the store went away, and the next claim has to take the execution up again."""
        request = pending.request
        ids = {"execution_id": request.execution_id, "correlation_id": request.context.get("correlation_id")}
        with bind(**ids, workflow_id=request.workflow_id):
            try:
                loaded = await self._load(request.workflow_id, request.version)
                change = await self._interpreter.run(
                    loaded.machine,
                    request,
                    workflow_name=loaded.workflow_name,
                    mode=loaded.mode,
                    history=pending.history,
                    cancelled=CANCELLED if pending.cancel_requested else None,
                )
                if isinstance(change, Parked):
                    raise TypeError("the interpreter parked an execution, and was not told to")  # noqa: TRY301 - a bug
            except StoreUnavailable as error:
                log.warning("execution interrupted by the store", extra={"reason": error.message})
                return None
            except Exception as error:
                log.exception("execution failed inside the platform")
                return await self._fail(request, error)
            log.info("execution finished", extra={"status": change.status.value})
            return change

    async def _fail(self, request: StartRequest, error: Exception) -> StatusChange:
        """A bug of ours must end the execution in words instead of leaving it running for ever."""
        problem: dict[str, Any] = {
            "name": "Millrace.InternalError",
            "cause": f"The interpreter failed with {type(error).__name__}; the server's log has the details.",
        }
        change = StatusChange(ExecutionStatus.FAILED, self._clock.now(), error=problem)
        await self._journal.write(request.execution_id, request.project_id, (), change)
        return change

    async def _load(self, workflow_id: str, version: int) -> _Loaded:
        key = (workflow_id, version)
        loaded = self._machines.get(key)
        if loaded is None:
            stored = await self._workflows.version(workflow_id, version)
            if stored is None:
                raise LookupError(f"workflow {workflow_id} has no version {version}")
            settings = stored.definition.get("settings") or {}
            loaded = _Loaded(Machine.load(stored.asl), stored.definition["name"], settings.get("mode", "durable"))
            self._machines[key] = loaded
            if len(self._machines) > _MACHINES_KEPT:
                self._machines.popitem(last=False)
        self._machines.move_to_end(key)
        return loaded
