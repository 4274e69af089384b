"""What is under way for the frames of an execution: calls, times, and tasks that somebody outside completes."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from shared.clock import Clock
from shared.executions.records import StartRequest, TaskCompletion
from shared.ports import TaskCall, TaskFailed, TaskRunner
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.failure import RUNTIME
from statemachines.interpreter.frame import Frame, Phase, state_of
from statemachines.interpreter.inbox import Happening, Inbox
from statemachines.interpreter.tasks import deadline_of, due_of, integration_of

_LONGEST_TIMER = 3_600.0
"""A timer is armed anew at least this often, so that a clock that was set cannot make a wait hours too long."""

_PATIENCE_SECONDS = 5.0
"""How long the end of an execution waits for tasks that were cancelled."""

_MAX_EARLY = 1_000
"""Heartbeats that are kept of a task that does not wait yet, or any more; then only the newest."""

_TOLERANCE = timedelta(milliseconds=1)

log = logging.getLogger(__name__)


class Job:
    """A task at work, a task that was handed over, or a time that is waited for."""

    __slots__ = ("call", "due", "task", "timer")

    def __init__(self, call: TaskCall | None = None) -> None:
        """`call` is what has to be stopped outside, where somebody outside works on it."""
        self.call = call
        self.due: datetime | None = None
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


class Jobs:
    """At most one for each frame. What comes of them goes to the inbox, and from there to the engine."""

    def __init__(self, engine: Engine, request: StartRequest, *, runner: TaskRunner, clock: Clock) -> None:
        self.inbox = Inbox()
        self._engine = engine
        self._request = request
        self._runner = runner
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._jobs: dict[Frame, Job] = {}
        self._waiting: dict[str, Frame] = {}
        """By token."""
        self._early: dict[str, list[TaskCompletion]] = {}
        """By token: what came before its task was handed over."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._stops: set[asyncio.Task[None]] = set()

    # Beginning

    def call(self, frame: Frame) -> None:
        """Calls the frame's task."""
        self._jobs[frame] = job = Job()
        if frame.token is not None:
            self._waiting[frame.token] = frame
            job.call = self.call_of(frame)
        job.task = task = self._loop.create_task(self._call(frame, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if frame.timeout is not None:
            due = deadline_of(frame) if frame.token is not None else None
            self._time_out_at(due or self._clock.now() + timedelta(seconds=frame.timeout), frame, job)

    def expect(self, frame: Frame) -> None:
        """Waits for the completion of a task that was handed over."""
        self._watch(frame, self._begin(frame, self.call_of(frame)))
        for completion in self._early.pop(str(frame.token), ()):
            self.receive(completion)

    def sleep(self, frame: Frame) -> None:
        """Waits until `frame.due`."""
        job = self._begin(frame)
        self.at(frame.due or self._clock.now(), lambda: self._answer(frame, job, self._engine.fired), job)

    def give_up(self, frame: Frame) -> None:
        """Stops what is under way; of a frame from a history, what may be under way outside."""
        job = self._drop(frame)
        call = self.call_of(frame) if job is None and frame.token is not None else job.call if job is not None else None
        if job is not None:
            job.stop()
        if call is not None:
            self._stops.add(self.spawn(self._stop(call)))

    def receive(self, completion: TaskCompletion) -> None:
        """Somebody outside said something."""
        self.inbox.post_at(completion.at, lambda: self._complete(completion))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Work that is cancelled where the execution stops."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._stops.discard)
        return task

    # Asking

    @property
    def stopping(self) -> bool:
        """Whether something outside is being stopped."""
        return bool(self._stops)

    @property
    def at_work(self) -> bool:
        """Whether anything here is at work, rather than waiting."""
        return any(not task.done() for task in self._tasks)

    def dues(self) -> Iterator[datetime]:
        """The times that are waited for."""
        return (job.due for job in self._jobs.values() if job.due is not None)

    def outside(self) -> list[TaskCall]:
        """The calls that somebody outside works on."""
        return [job.call for job in self._jobs.values() if job.call is not None]

    def call_of(self, frame: Frame) -> TaskCall:
        state = state_of(frame)
        return TaskCall(
            execution_id=self._request.execution_id,
            project_id=self._request.project_id,
            state=state.name,
            resource=integration_of(state).arn,
            # Read from the text: whatever a runner does to its arguments, the execution's own values stay as they are.
            arguments=orjson.loads(frame.call.text) if frame.call else {},
            attempt=frame.retry_count,
            task_token=frame.token,
        )

    # Ending

    async def stop_outside(self, calls: list[TaskCall]) -> None:
        """Stops what somebody outside works on, and waits for what is being stopped already."""
        self._stops.update(self.spawn(self._stop(call)) for call in calls)
        await self._stopped()

    async def close(self) -> None:
        """Stops everything here, and nothing more outside."""
        await self._stopped()
        for job in self._jobs.values():
            job.stop()
        self._jobs.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE_SECONDS)

    async def _stopped(self) -> None:
        if self._stops:
            await asyncio.wait(self._stops, timeout=_PATIENCE_SECONDS)

    def at(self, due: datetime, happening: Happening, job: Job) -> None:
        """Posts `happening` when the clock shows `due`."""
        job.due = due
        left = due - self._clock.now()
        if left <= _TOLERANCE:
            self.inbox.post_at(due, happening)
            return
        seconds = min(left.total_seconds(), _LONGEST_TIMER)
        job.timer = self._loop.call_later(seconds, self.at, due, happening, job)

    def _begin(self, frame: Frame, outside: TaskCall | None = None) -> Job:
        job = Job(outside)
        self._jobs[frame] = job
        if frame.token is not None:
            self._waiting[frame.token] = frame
        return job

    def _drop(self, frame: Frame) -> Job | None:
        if frame.token is not None:
            self._waiting.pop(frame.token, None)
        return self._jobs.pop(frame, None)

    def _watch(self, frame: Frame, job: Job) -> None:
        due = due_of(frame)
        if due is not None:
            self._time_out_at(due, frame, job)

    def _time_out_at(self, due: datetime, frame: Frame, job: Job) -> None:
        self.at(due, lambda: self._time_out(frame, job, due), job)

    async def _call(self, frame: Frame, job: Job) -> None:
        try:
            result = await self._runner.run(job.call or self.call_of(frame))
        except TaskFailed as error:
            failed = partial(self._answer, frame, job, self._engine.task_failed, error.error, error.cause)
            self.inbox.post(failed)
        except Exception as error:  # a runner names every failure; what it does not is a bug, and must end the wait
            log.exception("the task runner failed")
            text = f"The task runner failed with {type(error).__name__}."
            self.inbox.post(partial(self._answer, frame, job, self._engine.task_failed, RUNTIME, text))
        else:
            take = self._engine.task_succeeded if job.call is None else self._engine.task_submitted
            self.inbox.post(partial(self._answer, frame, job, take, result))

    async def _stop(self, call: TaskCall) -> None:
        try:
            await self._runner.stop(call)
        except Exception:  # the port says that it never raises; what is given up stays given up in any case
            log.exception("the task runner failed to stop a task", extra={"state": call.state})

    def _answer(self, frame: Frame, job: Job, take: Callable[..., None], *told: Any) -> None:
        """Takes the first thing that happens to a job; what comes after it was given up is of no interest."""
        if self._jobs.get(frame) is job and frame.phase is not Phase.CLOSED:  # closed: about to be given up
            del self._jobs[frame]
            if frame.token is not None:
                self._waiting.pop(frame.token, None)
            job.stop()
            take(frame, *told)

    def _time_out(self, frame: Frame, job: Job, due: datetime) -> None:
        if job.due == due and frame.phase != Phase.CLOSED:  # else it was heard of since, or is about to be given up
            if job.call is not None and self._jobs.get(frame) is job:
                self._stops.add(self.spawn(self._stop(job.call)))
            self._answer(frame, job, self._engine.task_timed_out)

    def _keep(self, completion: TaskCompletion) -> None:
        """The task is being handed over, its history is still being read, or it has ended. The first end counts."""
        kept = self._early.setdefault(completion.token, [])
        if kept and kept[-1].kind != "heartbeat":
            return
        if len(kept) >= _MAX_EARLY:
            kept.pop()
        kept.append(completion)

    def _complete(self, completion: TaskCompletion) -> None:
        frame = self._waiting.get(completion.token)
        job = self._jobs.get(frame) if frame is not None else None
        if frame is None or job is None or frame.phase in (Phase.RUNNING, Phase.CLOSED):
            self._keep(completion)
        elif job.due is not None and completion.at > job.due:
            self._time_out(frame, job, job.due)
        elif completion.kind == "heartbeat":
            frame.heard_at = max(completion.at, frame.heard_at or completion.at)
            if job.timer is not None:
                job.timer.cancel()
            self._watch(frame, job)
        else:
            self._answer(frame, job, self._engine.task_completed, completion)
