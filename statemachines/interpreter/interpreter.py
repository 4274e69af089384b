"""Runs state machines in this process, as AWS Step Functions does."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from shared.clock import Clock
from shared.executions.records import HistoryEvent, StartRequest, StatusChange, machine_input
from shared.ports import Journal, TaskRunner
from statemachines.interpreter.driver import Driver
from statemachines.interpreter.effects import About
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.frame import Payload
from statemachines.interpreter.machine import Machine
from statemachines.interpreter.recorder import Recorder, text_of
from statemachines.interpreter.recovery import resume


class Interpreter:
    """Any number of executions side by side in one event loop."""

    def __init__(
        self,
        *,
        journal: Journal,
        runner: TaskRunner,
        clock: Clock,
        input_of: Callable[[StartRequest, str], Any] = machine_input,
    ) -> None:
        """`input_of` makes the machine's input of a request and the workflow's name."""
        self._journal = journal
        self._runner = runner
        self._clock = clock
        self._input_of = input_of
        self._drivers: dict[str, Driver] = {}
        self._running: dict[str, asyncio.Task[object]] = {}

    async def run(
        self,
        machine: Machine,
        request: StartRequest,
        *,
        workflow_name: str,
        mode: str = "durable",
        history: Sequence[HistoryEvent] = (),
        cancelled: str | None = None,
    ) -> StatusChange:
        """Runs one execution to its terminal state, or takes it up again where its `history` ends.

        The result is the terminal change, on disk already. `mode` is durable or express; see driver. `cancelled` is the
        cause of a cancel that came before: the execution is aborted where it is, and no task of it begins.

        Raises:
            StoreUnavailable: the journal failed; the execution can be resumed from what is on disk.
            CancelledError: `close` was called.
        """
        engine = self._engine(machine, request, workflow_name, history)
        driver = Driver(
            engine,
            request,
            journal=self._journal,
            runner=self._runner,
            clock=self._clock,
            durable=mode != "express",
        )
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        self._drivers[request.execution_id] = driver
        self._running[request.execution_id] = task

        def begin() -> None:
            if history:
                resume(engine, history, self._clock.now())
            else:
                engine.start()
            if cancelled is not None and engine.outcome is None:
                engine.abort(cancelled)

        try:
            return await driver.run(begin, announced=bool(history))
        finally:
            self._drivers.pop(request.execution_id, None)
            self._running.pop(request.execution_id, None)

    def cancel(self, execution_id: str, cause: str) -> None:
        """Aborts an execution that runs here: its tasks are cancelled, its `run` gives CANCELLED. Else does nothing."""
        driver = self._drivers.get(execution_id)
        if driver is not None:
            driver.cancel(cause)

    async def close(self) -> None:
        """Stops every execution where it is, without finishing anything: their `run` raises CancelledError."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _engine(
        self, machine: Machine, request: StartRequest, workflow_name: str, history: Sequence[HistoryEvent]
    ) -> Engine:
        value = self._input_of(request, workflow_name)
        recorder = Recorder(self._clock.now(), newest=history[-1].id if history else 0)
        return Engine(machine, Payload(value, text_of(value)), About(request.execution_id, workflow_name), recorder)
