"""Carries one execution through: runs its tasks, keeps its times, writes its history, and parks it.

When what is written:
  durable   what a task gave is on disk before the next task starts; the end is on disk before it is reported
  express   the end is on disk before it is reported; a crash may run any task again
  both      events are written at the latest FLUSH_SECONDS after the execution is blocked, so that it can be watched;
            a task that answers sooner costs no write of its own for having been started. A task is handed to somebody
            outside after its start is on disk. Events of child executions are on disk before those of their parent
            that follow from them
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.executions.nested import completion_of
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange, TaskCompletion
from shared.ports import Histories, Journal, TaskRunner
from statemachines.interpreter.effects import Await, Effect, LoadItem, LoadRun, RunTask, Sleep, Stop
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.jobs import Job, Jobs
from statemachines.interpreter.loading import loaded

FLUSH_SECONDS = 0.025


@dataclass(frozen=True, slots=True)
class Parked:
    """Everything is on disk, and every frame only waits: the caller may forget the execution.

    It is run again from its history at `wake_at`, or when a completion came; None where it waits for completions only.
    """

    wake_at: datetime | None


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
        histories: Histories | None,
        durable: bool,
        park_after: timedelta | None,
    ) -> None:
        self._engine = engine
        self._request = request
        self._journal = journal
        self._histories = histories
        self._clock = clock
        self._durable = durable
        self._park_after = park_after
        self._loop = asyncio.get_running_loop()
        self._jobs = Jobs(engine, request, runner=runner, clock=clock)
        self._inbox = self._jobs.inbox
        self._announced = False
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flush_due = False
        self._limit = Job()
        self._broken: BaseException | None = None
        self._closed = False

    async def run(
        self, begin: Callable[[], None], *, announced: bool, completions: Sequence[TaskCompletion] = ()
    ) -> StatusChange | Parked:
        """Begins by `begin`, and gives the terminal change once it is on disk, or Parked.

        `announced` says whether RUNNING is on disk already; `completions` are those that came so far.
        """
        self._announced = announced
        try:
            begin()
            self._keep_time_limit()
            for completion in completions:
                self._jobs.receive(completion)
            while self._engine.outcome is None:
                await self._carry_out()
                parked = await self._park() if self._park_after is not None else None
                if parked is not None:
                    return parked
                await self._wait()
                self._take_in()
            return await self._end(self._engine.outcome)
        finally:
            self._closed = True
            await self._stop()

    def cancel(self, cause: str) -> None:
        self._inbox.post(lambda: self._engine.abort(cause))

    def complete(self, completion: TaskCompletion) -> bool:
        """Hands over what somebody outside said; False where the execution does not run here any more."""
        if not self._closed:
            self._jobs.receive(completion)
        return not self._closed

    async def _wait(self) -> None:
        if self._inbox or self._engine.stalled or self._engine.outcome is not None:
            return
        execution = self._engine.execution
        if (execution.pending or execution.unwritten) and self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush_now)
        await self._inbox.woken()

    def _flush_now(self) -> None:
        self._flush_timer = None
        self._flush_due = True
        self._inbox.wake()

    def _take_in(self) -> None:
        if self._broken is not None:
            raise self._broken
        self._engine.now = self._clock.now()
        for happening in self._inbox.take():
            if self._engine.outcome is None:
                happening()

    # Carrying out what the engine asks for

    async def _carry_out(self) -> None:
        engine, effects = self._engine, self._engine.effects
        if self._flush_due or engine.stalled or (effects and self._writes_first()):
            await self._write()
        while effects:
            self._apply(effects.popleft())

    def _writes_first(self) -> bool:
        """Whether what is pending must be on disk before the effects are carried out.

        A token is given away only when the events are there that it is made of: after a crash other branches might
        be quicker, and the same token would be another task's.
        """
        results = self._durable and self._engine.execution.result_pending
        for effect in self._engine.effects:
            if isinstance(effect, RunTask | Stop) and (results or effect.frame.token is not None):
                return True
        return False

    def _apply(self, effect: Effect) -> None:
        frame = effect.frame
        if isinstance(effect, RunTask):
            self._jobs.call(frame)
        elif isinstance(effect, Sleep):
            self._jobs.sleep(frame)
        elif isinstance(effect, Stop):
            self._jobs.give_up(frame)
        elif isinstance(effect, Await):
            self._jobs.expect(frame)
        else:
            self._jobs.spawn(self._load(effect))

    async def _load(self, effect: LoadRun | LoadItem) -> None:
        """Reads what a distributed Map did before."""
        assert self._histories is not None  # noqa: S101 - for the type checker: else the run would not have started
        try:
            self._inbox.post(await loaded(effect, self._engine, self._histories))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised by `run`
            self._broken = error
            self._inbox.wake()

    # Time

    def _keep_time_limit(self) -> None:
        seconds = self._engine.root.machine.timeout_seconds
        if seconds is not None and self._engine.outcome is None:
            execution = self._engine.execution
            since = execution.redriven_at or execution.started_at
            self._jobs.at(since + timedelta(seconds=seconds), self._engine.time_out, self._limit)

    async def _park(self) -> Parked | None:
        """Parks the execution where nothing is at work and nothing is due soon; None where it has to stay."""
        if self._inbox or self._engine.stalled or self._engine.outcome or self._jobs.at_work:
            return None
        limit = () if self._limit.due is None else (self._limit.due,)
        wake_at = min((*limit, *self._jobs.dues()), default=None)
        assert self._park_after is not None  # noqa: S101 - for the type checker: the caller has looked
        if wake_at is not None and wake_at - self._clock.now() <= self._park_after:
            return None
        await self._write()
        if self._inbox:  # something came while that was written
            return None
        self._closed = True
        return Parked(wake_at)

    # Writing

    async def _write(self, change: StatusChange | None = None, completes: TaskCompletion | None = None) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self._flush_due = False
        execution, project_id = self._engine.execution, self._request.project_id
        children = execution.take_children() if execution.unwritten else ()
        events = execution.take()
        for group in children:
            await asyncio.gather(*(self._journal.write(id_, project_id, each) for id_, each in group))
        if events or change is not None:
            if change is None and not self._announced:
                change = StatusChange(ExecutionStatus.RUNNING, execution.started_at)
            self._announced = True
            if completes is None:
                await self._journal.write(execution.id, project_id, events, change)
            else:
                await self._journal.write(execution.id, project_id, events, change, completes)
        self._engine.written()

    async def _end(self, outcome: StatusChange) -> StatusChange:
        execution, engine = self._engine.execution, self._engine
        asked = (effect.frame for effect in engine.effects if isinstance(effect, Await | RunTask | Stop))
        calls = {str(frame.token): self._jobs.call_of(frame) for frame in asked if frame.token is not None}
        calls |= {str(call.task_token): call for call in self._jobs.outside()}
        # Stopped before the end is on disk: after it, nobody would take care of them.
        if (calls or self._jobs.stopping) and execution.pending:
            end = execution.pending.pop()
            await self._write()
            await self._jobs.stop_outside(list(calls.values()))
            execution.pending.append(end)
        completes = completion_of(self._request, execution.machine, execution.input.value, outcome)
        await self._write(outcome, completes)
        return outcome

    async def _stop(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        self._limit.stop()
        await self._jobs.close()
