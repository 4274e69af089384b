"""Runs state machines in this process, as AWS Step Functions does."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from shared.clock import Clock
from shared.executions.records import HistoryEvent, StartRequest, StatusChange, TaskCompletion, machine_input
from shared.executions.task_tokens import TaskTokens
from shared.ports import Histories, Journal, TaskRunner
from statemachines.interpreter.driver import Driver, Parked
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.execution import Execution
from statemachines.interpreter.frame import Frame
from statemachines.interpreter.machine import Machine
from statemachines.interpreter.payloads import Payload, text_of
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
        tokens: TaskTokens | None = None,
        histories: Histories | None = None,
        park_after: timedelta | None = None,
    ) -> None:
        """`input_of` makes the machine's input of a request and the workflow's name.

        Without `tokens` a task that waits for a completion fails; without `histories`, which read what the journal
        wrote, a distributed Map does. Executions that wait for longer than `park_after` are parked; None: never.
        """
        self._journal = journal
        self._runner = runner
        self._clock = clock
        self._input_of = input_of
        self._tokens = tokens
        self._histories = histories
        self._park_after = park_after
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
        completions: Sequence[TaskCompletion] = (),
        redrive: bool = False,
    ) -> StatusChange | Parked:
        """Runs one execution to its terminal state, or takes it up again where its `history` ends.

        The result is the terminal change, on disk already, or Parked, if the interpreter was told to park. `mode` is
        durable or express; see driver. `cancelled` is the cause of a cancel that came before: the execution is aborted
        where it is, and no task of it begins. `completions` are those that came for its tasks, in the order in which
        they came; those of tasks that have ended do nothing. With `redrive` a history that ends without success goes
        on from what was unsuccessful, as after RedriveExecution of Step Functions; any other goes on where it ends.

        Raises:
            Conflict: the history is too long to be redriven.
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
            histories=self._histories,
            durable=mode != "express",
            park_after=self._park_after,
        )
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        self._drivers[request.execution_id] = driver
        self._running[request.execution_id] = task

        def begin() -> None:
            if history:
                resume(engine, history, self._clock.now(), redrive=redrive)
            else:
                engine.start()
            if cancelled is not None and engine.outcome is None:
                engine.abort(cancelled)

        try:
            return await driver.run(begin, announced=bool(history) and not redrive, completions=completions)
        finally:
            self._drivers.pop(request.execution_id, None)
            self._running.pop(request.execution_id, None)

    def cancel(self, execution_id: str, cause: str) -> None:
        """Aborts an execution that runs here: its tasks are cancelled, its `run` gives CANCELLED. Else does nothing."""
        driver = self._drivers.get(execution_id)
        if driver is not None:
            driver.cancel(cause)

    def complete(self, completion: TaskCompletion) -> bool:
        """Hands a completion to an execution that runs here; False where it does not, or is being parked.

        One of a task that does not wait does nothing: a second one, one that came after a time-out, an unknown token.
        """
        driver = self._drivers.get(completion.execution_id)
        return driver is not None and driver.complete(completion)

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
        newest = history[-1].id if history else 0
        input_ = Payload(value, text_of(value))
        execution = Execution(request.execution_id, workflow_name, input_, self._clock.now(), newest)
        mint = None if self._tokens is None else _mint(self._tokens, execution)
        return Engine(machine, execution, mint, reads_histories=self._histories is not None)


def _mint(tokens: TaskTokens, root: Execution) -> Callable[[Frame], str]:
    """A token names the root, since that is what has to be woken up, whichever execution of it the task is in."""

    def mint(frame: Frame) -> str:
        child = "" if frame.execution is root else frame.execution.id
        return tokens.mint(root.id, frame.entered_id, frame.attempts, child=child)

    return mint
