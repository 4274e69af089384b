"""Runs machines in virtual time, on an in-memory journal, with scripted tasks."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.executions.records import ExecutionStatus, HistoryEvent, StartRequest, StatusChange
from shared.ports import TaskCall, TaskFailed
from statemachines.interpreter import Interpreter, Machine

LAMBDA = "arn:aws:states:::lambda:invoke"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


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


class MemoryJournal:
    """Keeps what is written; `seconds` is what a commit takes."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.writes: list[Write] = []
        self.seconds = seconds
        self.failing: Exception | None = None

    async def write(
        self, execution_id: str, project_id: str, events: Sequence[HistoryEvent], change: StatusChange | None = None
    ) -> None:
        await asyncio.sleep(self.seconds)
        if self.failing is not None:
            raise self.failing
        self.writes.append(Write(list(events), change, asyncio.get_running_loop().time()))

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


Outcome = Returns | Raises
Script = Sequence[Outcome] | Callable[[Any, int], Outcome]


class ScriptedRunner:
    """Answers by state: the outcome of each attempt in turn (the last one again and again), or what a function says."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self.scripts = scripts
        self.calls: list[TaskCall] = []
        self.cancelled: list[str] = []

    async def run(self, call: TaskCall) -> Any:
        self.calls.append(call)
        script = self.scripts[call.state]
        payload = call.arguments.get("Payload")
        outcome = script(payload, call.attempt) if callable(script) else script[min(call.attempt, len(script) - 1)]
        try:
            await asyncio.sleep(outcome.seconds)
        except asyncio.CancelledError:
            self.cancelled.append(call.state)
            raise
        if isinstance(outcome, Raises):
            raise TaskFailed(outcome.error, outcome.cause)
        return {"ExecutedVersion": "$LATEST", "Payload": outcome.payload, "StatusCode": 200}


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

    def document(self) -> dict[str, Any]:
        found = {"QueryLanguage": "JSONata", "StartAt": next(iter(self.states)), "States": self.states}
        return found if self.timeout is None else {**found, "TimeoutSeconds": self.timeout}


@dataclass
class Played:
    change: StatusChange
    journal: MemoryJournal
    runner: ScriptedRunner
    seconds: float

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.journal.events]


def request(value: Any) -> StartRequest:
    return StartRequest("0198f0e0-0000-7000-8000-000000000001", "project", "workflow", 3, value, {}, EPOCH)


def interpreter(journal: MemoryJournal, runner: Any, start: datetime = EPOCH) -> Interpreter:
    return Interpreter(
        journal=journal, runner=runner, clock=LoopClock(start), input_of=lambda request, _: request.input
    )


def play(case: Case, history: Sequence[HistoryEvent] = (), mode: str = "durable", commit: float = 0.0) -> Played:
    """Runs a case from its start, or from a history."""
    journal, runner = MemoryJournal(commit), ScriptedRunner(case.tasks)
    machine = Machine.load(case.document())
    start = history[-1].timestamp if history else EPOCH

    async def main() -> tuple[StatusChange, float]:
        engine = interpreter(journal, runner, start)
        change = await engine.run(machine, request(case.input), workflow_name="flow", mode=mode, history=history)
        return change, asyncio.get_running_loop().time()

    change, seconds = in_virtual_time(main)
    return Played(change, journal, runner, seconds)


def check(case: Case) -> Played:
    """Runs a case and compares what it says."""
    run = play(case)
    error = run.change.error or {}
    assert run.change.status == case.status, error
    if case.status == ExecutionStatus.SUCCEEDED:
        assert run.change.result == case.output
    if case.error is not None:
        assert error["name"] == case.error
    if case.cause is not None:
        assert error["cause"] == case.cause
    if case.events is not None:
        assert run.types[1:-1] == case.events.split()
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
