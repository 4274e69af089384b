"""Runs machines in virtual time, on an in-memory journal, with scripted tasks."""

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.executions.records import ExecutionStatus, HistoryEvent, StartRequest, StatusChange, TaskCompletion
from shared.executions.task_tokens import TaskTokens
from shared.ports import TaskCall, TaskFailed
from statemachines.interpreter import Interpreter, Machine

LAMBDA = "arn:aws:states:::lambda:invoke"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = TaskTokens(b"a key for tests, thirty-two bytes")


class _VirtualSelector(selectors.DefaultSelector):
    """Never waits: the time that the loop would have slept has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everything waits, and nothing will ever happen")
        self.now += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


class LoopClock:
    """The time of the running (virtual) loop."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self.start = start

    def now(self) -> datetime:
        return self.start + timedelta(seconds=asyncio.get_running_loop().time())


@dataclass
class Write:
    events: list[HistoryEvent]
    change: StatusChange | None
    at: float
    completes: TaskCompletion | None = None


Log = list[tuple[str, HistoryEvent]]
"""Events of any execution, by its id, in the order in which they were written."""


class MemoryJournal:
    """Keeps what is written, and gives it back; `seconds` is what either takes. `log` is what is there already."""

    def __init__(self, seconds: float = 0.0, log: Sequence[tuple[str, HistoryEvent]] = ()) -> None:
        self.writes: list[Write] = []
        """Those of the execution itself, not of its children."""
        self.seconds = seconds
        self.failing: Exception | None = None
        self.log: Log = list(log)

    async def write(
        self,
        execution_id: str,
        project_id: str,
        events: Sequence[HistoryEvent],
        change: StatusChange | None = None,
        completes: TaskCompletion | None = None,
    ) -> None:
        await asyncio.sleep(self.seconds)
        if self.failing is not None:
            raise self.failing
        if execution_id == EXECUTION or change is not None:
            self.writes.append(Write(list(events), change, asyncio.get_running_loop().time(), completes))
        self.log += [(execution_id, event) for event in events]

    async def history(self, execution_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[HistoryEvent]:
        await asyncio.sleep(self.seconds)
        return [event for event in self.of(execution_id) if event.id > after][:limit]

    def of(self, execution_id: str) -> list[HistoryEvent]:
        return sorted((event for each, event in self.log if each == execution_id), key=lambda event: event.id)

    @property
    def events(self) -> list[HistoryEvent]:
        return [event for write in self.writes for event in write.events]

    @property
    def statuses(self) -> list[ExecutionStatus]:
        return [write.change.status for write in self.writes if write.change]


@dataclass(frozen=True)
class Returns:
    """The function answers with this payload after some seconds."""

    payload: Any = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Raises:
    error: str
    cause: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Says:
    """What somebody outside says about a task, some seconds after it was called."""

    kind: str
    seconds: float
    output: Any = None
    error: str = ""
    cause: str = ""


def succeeds(output: Any = None, seconds: float = 0.0) -> Says:
    return Says("succeeded", seconds, output)


def fails(error: str, cause: str = "", seconds: float = 0.0) -> Says:
    return Says("failed", seconds, error=error, cause=cause)


def beats(*seconds: float) -> tuple[Says, ...]:
    return tuple(Says("heartbeat", each) for each in seconds)


@dataclass(frozen=True)
class HandsOver:
    """The call returns `result` after some seconds; what comes of the task is said by others."""

    says: tuple[Says, ...] = ()
    result: Any = field(default_factory=lambda: {"StatusCode": 200})
    seconds: float = 0.0


Outcome = Returns | Raises | HandsOver
Script = Sequence[Outcome] | Callable[[Any, int], Outcome]


class ScriptedRunner:
    """Answers by state: the outcome of each attempt in turn (the last one again and again), or what a function says."""

    def __init__(self, scripts: dict[str, Script], said: Sequence[TaskCompletion] = ()) -> None:
        self.scripts = scripts
        self.calls: list[TaskCall] = []
        self.cancelled: list[str] = []
        self.stopped: list[str] = []
        self.said: list[TaskCompletion] = list(said)
        """What was said about tasks so far, as a store keeps it."""
        self.told = asyncio.Event()
        self.complete: Callable[[TaskCompletion], bool] = lambda _: False

    async def run(self, call: TaskCall) -> Any:
        self.calls.append(call)
        script = self.scripts[call.state]
        payload = call.arguments.get("Payload")
        outcome = script(payload, call.attempt) if callable(script) else script[min(call.attempt, len(script) - 1)]
        if isinstance(outcome, HandsOver):
            self._say(call, outcome)
        try:
            await asyncio.sleep(outcome.seconds)
        except asyncio.CancelledError:
            self.cancelled.append(call.state)
            raise
        if isinstance(outcome, Raises):
            raise TaskFailed(outcome.error, outcome.cause)
        if isinstance(outcome, HandsOver):
            return outcome.result
        return {"ExecutedVersion": "$LATEST", "Payload": outcome.payload, "StatusCode": 200}

    async def stop(self, call: TaskCall) -> None:
        await asyncio.sleep(0.005)  # an execution that ends meanwhile has to wait for it
        self.stopped.append(call.state)

    def _say(self, call: TaskCall, outcome: HandsOver) -> None:
        now = LoopClock(self.start).now()
        for says in outcome.says:
            at = now + timedelta(seconds=says.seconds)
            token = str(call.task_token)
            kind: Any = says.kind
            self.deliver(
                TaskCompletion(call.execution_id, token, kind, at, says.output, says.error, says.cause), says.seconds
            )

    def deliver(self, completion: TaskCompletion, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._tell, completion)

    def _tell(self, completion: TaskCompletion) -> None:
        self.said.append(completion)
        self.told.set()
        self.complete(completion)

    start = EPOCH
    """When the loop's time 0 is."""


@dataclass
class Case:
    """A machine, what it is given, and what must come of it. Fields that are None are not looked at."""

    name: str
    states: dict[str, Any]
    input: Any = field(default_factory=dict)
    tasks: dict[str, Script] = field(default_factory=dict)
    status: ExecutionStatus = ExecutionStatus.SUCCEEDED
    output: Any = None
    error: str | None = None
    cause: str | None = None
    events: str | None = None
    """Types of all events but the first and the last, with a blank between."""
    seconds: float | None = None
    """How long it takes."""
    calls: list[str] | None = None
    timeout: int | None = None
    redriven: dict[str, Script] | None = None
    """Given, the execution is redriven after its end, with these tasks; what is expected is what comes then."""

    def document(self) -> dict[str, Any]:
        found = {"QueryLanguage": "JSONata", "StartAt": next(iter(self.states)), "States": self.states}
        return found if self.timeout is None else {**found, "TimeoutSeconds": self.timeout}


@dataclass
class Played:
    change: StatusChange
    journal: MemoryJournal
    runner: ScriptedRunner
    seconds: float
    parked: int = 0
    """How often."""

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.journal.events]


EXECUTION = "0198f0e0-0000-7000-8000-000000000001"


def request(value: Any, **context: Any) -> StartRequest:
    return StartRequest(EXECUTION, "project", "workflow", 3, value, context, EPOCH)


def interpreter(
    journal: MemoryJournal, runner: Any, start: datetime = EPOCH, park_after: timedelta | None = None
) -> Interpreter:
    return Interpreter(
        journal=journal,
        runner=runner,
        clock=LoopClock(start),
        input_of=lambda request, _: request.input,
        tokens=TOKENS,
        histories=journal,
        park_after=park_after,
    )


def play(
    case: Case,
    history: Sequence[HistoryEvent] = (),
    mode: str = "durable",
    commit: float = 0.0,
    *,
    log: Sequence[tuple[str, HistoryEvent]] = (),
    said: Sequence[TaskCompletion] = (),
    park_after: timedelta | None = None,
    redrive: bool = False,
    cancelled: str | None = None,
) -> Played:
    """Runs a case from its start, or from a history (or a log, with the histories of child executions).

    `said` is what was, or will be, said about tasks of the history. With `park_after` it is parked and woken up.
    """
    log = log or [(EXECUTION, event) for event in history]
    scripts = case.redriven if redrive and case.redriven is not None else case.tasks
    machine = Machine.load(case.document())
    start = max((event.timestamp for _, event in log), default=EPOCH)

    async def main() -> Played:
        journal = MemoryJournal(commit, log)
        runner = ScriptedRunner(scripts, [each for each in said if each.at <= start])
        runner.start = start
        engine = interpreter(journal, runner, start, park_after)
        runner.complete = engine.complete
        for each in said:
            if each.at > start:
                runner.deliver(each, (each.at - start).total_seconds())
        parked = 0
        while True:
            runner.told.clear()
            change = await engine.run(
                machine,
                request(case.input),
                workflow_name="flow",
                mode=mode,
                history=journal.of(EXECUTION),
                completions=list(runner.said),
                redrive=redrive and not parked,
                cancelled=cancelled,
            )
            if isinstance(change, StatusChange):
                return Played(change, journal, runner, asyncio.get_running_loop().time(), parked)
            parked += 1
            seconds = None if change.wake_at is None else (change.wake_at - LoopClock(start).now()).total_seconds()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(runner.told.wait(), seconds)

    return in_virtual_time(main)


def play_redriven(case: Case, **how: Any) -> Played:
    """Runs a case to its end, and then again, redriven."""
    first = play(case, **how)
    assert first.change.status not in (ExecutionStatus.SUCCEEDED, ExecutionStatus.RUNNING)
    return play(case, log=first.journal.log, said=first.runner.said, redrive=True, **how)


def check(case: Case) -> Played:
    """Runs a case and compares what it says."""
    run = play(case) if case.redriven is None else play_redriven(case)
    error = run.change.error or {}
    assert run.change.status == case.status, error
    if case.status == ExecutionStatus.SUCCEEDED:
        assert run.change.result == case.output
    if case.error is not None:
        assert error["name"] == case.error
    if case.cause is not None:
        assert error["cause"] == case.cause
    if case.events is not None:
        assert " ".join(run.types[case.redriven is None : -1]) == " ".join(case.events.split())
    if case.seconds is not None:
        assert abs(run.seconds - case.seconds) < 0.01
    if case.calls is not None:
        assert [call.state for call in run.runner.calls] == case.calls
    return run


def task(arguments: Any = None, **fields: Any) -> dict[str, Any]:
    """A Task that calls the function `f`; ends the machine unless it has a Next."""
    call = {"FunctionName": "f", **({"Payload": arguments} if arguments is not None else {})}
    return ending({"Type": "Task", "Resource": LAMBDA, "Arguments": call, **fields})


def ending(state: dict[str, Any]) -> dict[str, Any]:
    return state if "Next" in state else {**state, "End": True}


def pass_(**fields: Any) -> dict[str, Any]:
    return ending({"Type": "Pass", **fields})


def branch(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


FAILED = ExecutionStatus.FAILED
TIMED_OUT = ExecutionStatus.TIMED_OUT
PAYLOAD = "{% $states.result.Payload %}"
