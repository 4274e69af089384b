"""Carries one execution through: runs its tasks, keeps its times, writes its history.

When what is written:
  durable   what a task gave is on disk before the next task starts; the end is on disk before it is reported
  express   the end is on disk before it is reported; a crash may run any task again
  both      events are written at the latest FLUSH_SECONDS after the execution is blocked, so that it can be watched;
            a task that answers sooner costs no write of its own for having been started
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import orjson

from shared.clock import Clock
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange
from shared.ports import Journal, TaskCall, TaskFailed, TaskRunner
from statemachines.interpreter.effects import Effect, RunTask, Sleep, Stop
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.failure import RUNTIME
from statemachines.interpreter.frame import Frame, Phase, state_of
from statemachines.interpreter.states import integration_of

FLUSH_SECONDS = 0.025
_LONGEST_TIMER = 3_600.0
"""A timer is armed anew at least this often, so that a clock that was set cannot make a wait hours too long."""

_PATIENCE_SECONDS = 5.0
"""How long the end of an execution waits for tasks that were cancelled."""

_TOLERANCE = timedelta(milliseconds=1)

log = logging.getLogger(__name__)


class Job:
    """A task at work or a time that is waited for, for one frame."""

    __slots__ = ("task", "timer")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


class Driver:
    """One execution at work. `run` is called once."""

    def __init__(
        self,
        engine: Engine,
        request: StartRequest,
        *,
        journal: Journal,
        runner: TaskRunner,
        clock: Clock,
        durable: bool,
    ) -> None:
        self._engine = engine
        self._request = request
        self._journal = journal
        self._runner = runner
        self._clock = clock
        self._durable = durable
        self._loop = asyncio.get_running_loop()
        self._announced = False
        self._jobs: dict[Frame, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox: list[Callable[[], None]] = []
        self._woken: asyncio.Future[None] | None = None
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flush_due = False
        self._limit = Job()

    async def run(self, begin: Callable[[], None], *, announced: bool) -> StatusChange:
        """Begins by `begin`, and gives the terminal change once it is on disk.

        `announced` says whether RUNNING is on disk already.
        """
        self._announced = announced
        try:
            begin()
            self._keep_time_limit()
            while self._engine.outcome is None:
                await self._carry_out()
                await self._wait()
                self._take_in()
            return await self._end(self._engine.outcome)
        finally:
            await self._stop()

    def cancel(self, cause: str) -> None:
        self._post(lambda: self._engine.abort(cause))

    # Taking in what happened

    def _post(self, happening: Callable[[], None]) -> None:
        self._inbox.append(happening)
        self._wake()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _wait(self) -> None:
        if self._inbox:
            return
        if self._engine.recorder.pending and self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush_now)
        self._woken = self._loop.create_future()
        await self._woken
        self._woken = None

    def _flush_now(self) -> None:
        self._flush_timer = None
        self._flush_due = True
        self._wake()

    def _take_in(self) -> None:
        inbox, self._inbox = self._inbox, []
        self._engine.recorder.now = self._clock.now()
        for happening in inbox:
            if self._engine.outcome is None:
                happening()

    # Carrying out what the engine asks for

    async def _carry_out(self) -> None:
        engine = self._engine
        if self._flush_due or (self._durable and engine.recorder.result_pending and self._starts_task()):
            await self._write()
        while engine.effects:
            self._apply(engine.effects.popleft())

    def _starts_task(self) -> bool:
        return any(isinstance(effect, RunTask) for effect in self._engine.effects)

    def _apply(self, effect: Effect) -> None:
        if isinstance(effect, Stop):
            job = self._jobs.pop(effect.frame, None)
            if job is not None:
                job.stop()
        elif isinstance(effect, Sleep):
            self._sleep(effect.frame)
        else:
            self._run_task(effect.frame)

    def _sleep(self, frame: Frame) -> None:
        self._jobs[frame] = job = Job()

        def fired() -> None:
            if self._jobs.get(frame) is job and frame.phase is not Phase.CLOSED:
                del self._jobs[frame]
                self._engine.fired(frame)

        self._at(job, frame.due or self._clock.now(), fired)

    def _run_task(self, frame: Frame) -> None:
        self._jobs[frame] = job = Job()
        job.task = self._loop.create_task(self._call(frame, job))
        self._tasks.add(job.task)
        job.task.add_done_callback(self._tasks.discard)
        if frame.timeout is not None:
            due = self._clock.now() + timedelta(seconds=frame.timeout)
            self._at(job, due, lambda: self._answer(frame, job, lambda: self._engine.task_timed_out(frame)))

    async def _call(self, frame: Frame, job: Job) -> None:
        try:
            result = await self._runner.run(self._task_call(frame))
        except TaskFailed as error:
            name, cause = error.error, error.cause
            self._post(lambda: self._answer(frame, job, lambda: self._engine.task_failed(frame, name, cause)))
        except Exception as error:  # a runner names every failure; what it does not is a bug, and must end the wait
            log.exception("the task runner failed")
            cause = f"The task runner failed with {type(error).__name__}."
            self._post(lambda: self._answer(frame, job, lambda: self._engine.task_failed(frame, RUNTIME, cause)))
        else:
            self._post(lambda: self._answer(frame, job, lambda: self._engine.task_succeeded(frame, result)))

    def _answer(self, frame: Frame, job: Job, happening: Callable[[], None]) -> None:
        """Takes the first thing that happens to a job; what comes after it was given up is of no interest."""
        if self._jobs.get(frame) is job and frame.phase is not Phase.CLOSED:  # closed: its Stop is still to be applied
            del self._jobs[frame]
            job.stop()
            happening()

    def _task_call(self, frame: Frame) -> TaskCall:
        state = state_of(frame)
        return TaskCall(
            execution_id=self._request.execution_id,
            project_id=self._request.project_id,
            state=state.name,
            resource=integration_of(state).arn,
            # Read from the text: whatever a runner does to its arguments, the execution's own values stay as they are.
            arguments=orjson.loads(frame.call.text) if frame.call else {},
            attempt=frame.retry_count,
        )

    # Time

    def _at(self, job: Job, due: datetime, happening: Callable[[], None]) -> None:
        """Posts `happening` when the clock shows `due`."""
        left = due - self._clock.now()
        if left <= _TOLERANCE:
            self._post(happening)
            return
        seconds = min(left.total_seconds(), _LONGEST_TIMER)
        job.timer = self._loop.call_later(seconds, self._at, job, due, happening)

    def _keep_time_limit(self) -> None:
        seconds = self._engine.root.machine.timeout_seconds
        if seconds is not None and self._engine.outcome is None:
            self._at(self._limit, self._engine.started_at + timedelta(seconds=seconds), self._engine.time_out)

    # Writing

    async def _write(self, change: StatusChange | None = None) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self._flush_due = False
        events = self._engine.recorder.take()
        if not events and change is None:
            return
        if change is None and not self._announced:
            change = StatusChange(ExecutionStatus.RUNNING, self._engine.started_at)
        self._announced = True
        await self._journal.write(self._request.execution_id, self._request.project_id, events, change)

    async def _end(self, outcome: StatusChange) -> StatusChange:
        await self._write(outcome)
        return outcome

    async def _stop(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        for job in (self._limit, *self._jobs.values()):
            job.stop()
        self._jobs.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE_SECONDS)
