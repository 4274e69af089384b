"""Takes an execution up again from its history alone.

Every event is applied to the tree of frames as the engine would have left it behind. An event belongs to the frame of
the event that it names as its predecessor, or to one around or below that: the state's name in its details tells.

What the history does not hold is worked out again from what it does hold: where a Choice leads, what a Map iterates
over, and the error of a Fail state. What it does hold is never evaluated again, so `$uuid()` or `$now()` cannot change
the past.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from shared.executions.records import ExecutionStatus, HistoryEvent, StatusChange
from statemachines.interpreter import containers, states
from statemachines.interpreter.effects import RunTask, Sleep
from statemachines.interpreter.engine import Engine
from statemachines.interpreter.failure import Failure
from statemachines.interpreter.frame import Frame, Payload, Phase, state_of, walk

_STATUS = {
    "ExecutionSucceeded": ExecutionStatus.SUCCEEDED,
    "ExecutionFailed": ExecutionStatus.FAILED,
    "ExecutionTimedOut": ExecutionStatus.TIMED_OUT,
    "ExecutionAborted": ExecutionStatus.CANCELLED,
}


def resume(engine: Engine, history: Sequence[HistoryEvent], now: datetime) -> None:
    """Brings the engine to where the history ends, and goes on from there at the time `now`."""
    fold = _Fold(engine)
    for event in history:
        fold.apply(event)
    engine.recorder.now = now
    engine.effects.clear()
    if engine.outcome is None:
        _go_on(engine)


def _go_on(engine: Engine) -> None:
    """Asks again for what was under way, and lets the rest run."""
    for frame in list(walk(engine.root)):
        if frame.phase == Phase.RUNNING:
            engine.effects.append(RunTask(frame))
        elif frame.phase == Phase.BACKOFF:
            engine.effects.append(Sleep(frame))
        elif frame.phase == Phase.CHILDREN:
            _refill(engine, frame)
        elif frame.owner is not None and frame.owner.aborts_written:
            engine.ready.appendleft(frame)  # its failure is half written, and must be the next thing that happens
        else:
            engine.ready.append(frame)
    engine.run()


def _refill(engine: Engine, frame: Frame) -> None:
    """Starts the iterations that the Map has room for."""
    limit = containers.concurrency_of(engine, frame) if state_of(frame).type == "Map" else 0
    while frame.phase == Phase.CHILDREN and frame.open < limit and frame.begun < frame.length:
        ended = [child.last for child in frame.children if child.phase == Phase.CLOSED]
        containers.begin_iteration(engine, frame, max(ended, default=frame.last))


class _Fold:
    """Applies events. `frames` are by the id of the event that was applied to them last or before."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.frames: dict[int, Frame] = {0: engine.root}

    def apply(self, event: HistoryEvent) -> None:
        self.engine.recorder.now = event.timestamp
        frame = self.frames[event.previous_id]
        handler = _handler(event.type)
        self.frames[event.id] = handler(self, frame, event) if handler else frame

    def started(self, frame: Frame, event: HistoryEvent) -> Frame:
        self.engine.started_at = event.timestamp
        return frame

    def entered(self, frame: Frame, event: HistoryEvent) -> Frame:
        name, text = str(event.details["name"]), str(event.details["input"])
        if frame.phase == Phase.CHILDREN:
            frame = next(child for child in frame.children if name in child.machine.states)
        if frame.input is None or frame.input.text != text:
            frame.input = _payload(text)
        frame.state = frame.machine.states[name]
        frame.entered_id, frame.entered_at = event.id, event.timestamp
        return self._reached(frame, event, Phase.ENTERED)

    def exited(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame = _around(frame, str(event.details["name"]))
        target = self._target(frame)
        variables = event.details.get("assignedVariables")
        if variables:
            frame.assign({name: orjson.loads(text) for name, text in variables.items()})
        text = str(event.details["output"])
        passed = frame.input if frame.input is not None and frame.input.text == text else _payload(text)
        self.engine.move(frame, target, passed)
        frame.last = event.id
        return frame

    def _target(self, frame: Frame) -> str | None:
        """Where the way out leads that the state took."""
        state = state_of(frame)
        if frame.phase == Phase.FAILED and frame.failure is not None:
            catcher = state.catcher(frame.failure.error)
            return catcher.next if catcher else None
        if state.type != "Choice":
            return state.next
        index = states.chosen(self.engine, frame)
        return state.next if index is None else state.rules[index].next

    def scheduled(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.reset()
        frame.call = Payload(None, str(event.details["parameters"]))
        frame.timeout = event.details.get("timeoutInSeconds")
        return self._reached(frame, event, Phase.SCHEDULED)

    def running(self, frame: Frame, event: HistoryEvent) -> Frame:
        return self._reached(frame, event, Phase.RUNNING)

    def succeeded(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.result = _payload(str(event.details["output"]))
        return self._reached(frame, event, Phase.SUCCEEDED)

    def failed(self, frame: Frame, event: HistoryEvent) -> Frame:
        return self._decided(frame, event, _failure(event))

    def evaluation_failed(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame = _around(frame, str(event.details["state"]))
        frame.uncatchable = frame.phase == Phase.FAILED
        containers.give_up(self.engine, frame)
        return self._decided(frame, event, _failure(event))

    def container_started(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.reset()
        self._reached(frame, event, Phase.CHILDREN)
        state = state_of(frame)
        if state.type == "Parallel":
            for index, machine in enumerate(state.branches):
                frame.child(machine, index, None, event.id)
        else:
            frame.length = int(event.details["length"])
            frame.phase = Phase.CHILDREN if frame.length else Phase.JOIN
        return frame

    def iteration_started(self, frame: Frame, event: HistoryEvent) -> Frame:
        owner, index = _around(frame, str(event.details["name"])), int(event.details["index"])
        owner.begun = index + 1
        return owner.child(state_of(owner).branches[0], index, None, event.id)

    def iteration_succeeded(self, frame: Frame, event: HistoryEvent) -> Frame:
        owner = containers.owner_of(frame)
        frame.phase = Phase.CLOSED
        owner.open -= 1
        owner.last = event.id
        if owner.open == 0 and owner.begun == owner.length:
            owner.phase = Phase.JOIN
        return frame

    def container_succeeded(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame = frame if frame.phase == Phase.JOIN else containers.owner_of(frame)
        for child in frame.children:
            child.phase = Phase.CLOSED
        frame.open = 0
        frame.last = event.previous_id
        frame.phase = Phase.JOINED
        return frame

    def aborted(self, frame: Frame, _: HistoryEvent) -> Frame:
        containers.owner_of(frame).aborts_written += 1
        return frame

    def container_failed(self, frame: Frame, event: HistoryEvent) -> Frame:
        owner = containers.owner_of(frame)
        failure = frame.failure or states.failure_of(self.engine, frame)
        containers.give_up(self.engine, owner)
        return self._decided(owner, event, failure)

    def ended(self, frame: Frame, event: HistoryEvent) -> Frame:
        status = _STATUS[event.type]
        result, error = None, None
        if status == ExecutionStatus.SUCCEEDED:
            result = orjson.loads(event.details["output"])
        else:
            error = {"name": event.details.get("error", ""), "cause": event.details.get("cause", "")}
        self.engine.outcome = StatusChange(status, event.timestamp, result, error)
        return frame

    def _decided(self, frame: Frame, event: HistoryEvent, failure: Failure) -> Frame:
        frame.last = event.id
        self.engine.decide(frame, failure)
        return frame

    def _reached(self, frame: Frame, event: HistoryEvent, phase: Phase) -> Frame:
        frame.last = event.id
        frame.phase = phase
        return frame


_Handler = Callable[[_Fold, Frame, HistoryEvent], Frame]

_HANDLERS: Mapping[str, _Handler] = {
    "ExecutionStarted": _Fold.started,
    "TaskScheduled": _Fold.scheduled,
    "TaskStarted": _Fold.running,
    "TaskSucceeded": _Fold.succeeded,
    "TaskFailed": _Fold.failed,
    "TaskTimedOut": _Fold.failed,
    "EvaluationFailed": _Fold.evaluation_failed,
    "ParallelStateStarted": _Fold.container_started,
    "MapStateStarted": _Fold.container_started,
    "MapIterationStarted": _Fold.iteration_started,
    "MapIterationSucceeded": _Fold.iteration_succeeded,
    "ParallelStateSucceeded": _Fold.container_succeeded,
    "MapStateSucceeded": _Fold.container_succeeded,
    "ParallelStateFailed": _Fold.container_failed,
    "MapStateFailed": _Fold.container_failed,
    **dict.fromkeys(_STATUS, _Fold.ended),
}


def _handler(kind: str) -> _Handler | None:
    if kind.endswith("StateEntered"):
        return _Fold.entered
    if kind.endswith("StateExited"):
        return _Fold.exited
    if kind.endswith(("StateAborted", "IterationAborted", "IterationFailed")):
        return _Fold.aborted
    return _HANDLERS.get(kind)


def _around(frame: Frame, state: str) -> Frame:
    """The innermost frame, this one or one around it, that is in the state of this name."""
    while frame.state is None or frame.state.name != state:
        frame = containers.owner_of(frame)
    return frame


def _payload(text: str) -> Payload:
    return Payload(orjson.loads(text), text)


def _failure(event: HistoryEvent) -> Failure:
    details: dict[str, Any] = event.details
    return Failure(details.get("error", ""), details.get("cause"), location=details.get("location"))
