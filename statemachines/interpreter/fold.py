"""Reads a history: every event is applied to the tree of frames as the engine would have left it behind.

An event belongs to the frame of the event that it names as its predecessor, or to one around or below that: the state's
name in its details tells.

What the history does not hold is worked out again from what it does hold: where a Choice leads, what a Map iterates
over, and the error of a Fail state. What it does hold is never evaluated again, so `$uuid()` or `$now()` cannot change
the past.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from shared.executions.records import ExecutionStatus, HistoryEvent, StatusChange
from statemachines.interpreter import runs, states, tasks
from statemachines.interpreter.core import Core
from statemachines.interpreter.failure import Failure
from statemachines.interpreter.frame import Frame, Phase, owner_of, state_of, walk
from statemachines.interpreter.payloads import Payload, parsed
from statemachines.interpreter.redrive import reopen

_STATUS = {
    "ExecutionSucceeded": ExecutionStatus.SUCCEEDED,
    "ExecutionFailed": ExecutionStatus.FAILED,
    "ExecutionTimedOut": ExecutionStatus.TIMED_OUT,
    "ExecutionAborted": ExecutionStatus.CANCELLED,
}
_OUTSIDE = (Phase.RUNNING, Phase.SUBMITTED)


class Fold:
    """Applies the events of one execution, of which `root` is the frame."""

    def __init__(self, core: Core, root: Frame) -> None:
        self.core = core
        self.root = root
        self.frames: dict[int, Frame] = {0: root}
        """By the id of the event that was applied to them last or before."""
        self.outcome: StatusChange | None = None
        self.given_up: list[Frame] = []
        """Tasks that were handed over and then given up; whether they were stopped, the history does not say."""

    def apply(self, event: HistoryEvent) -> None:
        self.core.now = event.timestamp
        frame = self.frames[event.previous_id]
        handler = _handler(event.type)
        self.frames[event.id] = handler(self, frame, event) if handler else frame

    def started(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.execution.started_at = event.timestamp
        if frame.is_item:
            frame.execution.input = frame.input = parsed(str(event.details["input"]))
        return frame

    def entered(self, frame: Frame, event: HistoryEvent) -> Frame:
        name, text = str(event.details["name"]), str(event.details["input"])
        if frame.phase == Phase.CHILDREN:
            frame = next(child for child in frame.children if name in child.machine.states)
        if frame.input is None or frame.input.text != text:
            frame.input = parsed(text)
        frame.state = frame.machine.states[name]
        frame.entered_id, frame.entered_at = event.id, event.timestamp
        return _reached(frame, event, Phase.ENTERED)

    def exited(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame = _around(frame, str(event.details["name"]))
        target = self._target(frame)
        variables = event.details.get("assignedVariables")
        if variables:
            frame.assign({name: orjson.loads(text) for name, text in variables.items()})
            self.core.keep(frame, {name: len(text.encode()) for name, text in variables.items()})
        text = str(event.details["output"])
        passed = frame.input if frame.input is not None and frame.input.text == text else parsed(text)
        self.core.move(frame, target, passed)
        frame.last = event.id
        return frame

    def _target(self, frame: Frame) -> str | None:
        """Where the way out leads that the state took."""
        state = state_of(frame)
        if frame.phase == Phase.FAILED and frame.failure is not None:
            catcher = state.catcher(frame.failure.covered_as)
            return catcher.next if catcher else None
        if state.type != "Choice":
            return state.next
        index = states.chosen(self.core, frame)
        return state.next if index is None else state.rules[index].next

    def scheduled(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.reset()
        frame.call = Payload(None, str(event.details["parameters"]))
        frame.timeout = event.details.get("timeoutInSeconds")
        frame.heartbeat = event.details.get("heartbeatInSeconds")
        if state_of(frame).waits:
            frame.token = tasks.token_of(self.core, frame)
        return _reached(frame, event, Phase.SCHEDULED)

    def running(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.started_at = event.timestamp
        return _reached(frame, event, Phase.RUNNING)

    def submitted(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.heard_at = event.timestamp
        return _reached(frame, event, Phase.SUBMITTED)

    def succeeded(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.result = parsed(str(event.details["output"]))
        return _reached(frame, event, Phase.SUCCEEDED)

    def failed(self, frame: Frame, event: HistoryEvent) -> Frame:
        return self._decided(frame, event, _failure(event))

    def timed_out(self, frame: Frame, event: HistoryEvent) -> Frame:
        return self._decided(frame, event, tasks.timeout_of(frame, event.timestamp))

    def evaluation_failed(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame = _around(frame, str(event.details["state"]))
        frame.uncatchable = frame.phase == Phase.FAILED
        self._detach(frame)
        return self._decided(frame, event, _failure(event))

    def container_started(self, frame: Frame, event: HistoryEvent) -> Frame:
        while frame.state is None:  # another attempt follows the last event of a child of the one before
            frame = owner_of(frame)
        frame.reset()
        _reached(frame, event, Phase.CHILDREN)
        state = state_of(frame)
        if state.type == "Parallel":
            for index, machine in enumerate(state.branches):
                frame.child(machine, index, None, event.id)
            return frame
        frame.length = int(event.details["length"])
        if state.distribution is not None:
            frame.phase = Phase.MAPPED
        elif not frame.length:
            frame.phase = Phase.JOIN
        return frame

    def iteration_started(self, frame: Frame, event: HistoryEvent) -> Frame:
        owner, index = _around(frame, str(event.details["name"])), int(event.details["index"])
        owner.begun = index + 1
        return owner.child(state_of(owner).branches[0], index, None, event.id)

    def iteration_succeeded(self, frame: Frame, event: HistoryEvent) -> Frame:
        owner = owner_of(frame)
        self.core.close(frame)
        owner.open -= 1
        owner.last = event.id
        if owner.open == 0 and owner.begun == owner.length:
            owner.phase = Phase.JOIN
        return frame

    def container_succeeded(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame = frame if frame.phase == Phase.JOIN else owner_of(frame)
        for child in frame.children:
            self.core.close(child)
        frame.open = 0
        frame.last = event.previous_id
        frame.phase = Phase.JOINED
        return frame

    def aborted(self, frame: Frame, _: HistoryEvent) -> Frame:
        owner_of(frame).aborts_written += 1
        return frame

    def container_failed(self, frame: Frame, event: HistoryEvent) -> Frame:
        if frame.phase == Phase.RUN_FAILED and frame.failure is not None:
            return self._decided(frame, event, frame.failure)
        owner = owner_of(frame)
        told = _failure(event) if event.details else None
        failure = told or frame.failure or states.failure_of(self.core, frame)
        self._detach(owner)
        return self._decided(owner, event, failure)

    def run_started(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.run = runs.new_run(self.core, frame)
        frame.run.loaded = False
        return _reached(frame, event, Phase.CHILDREN)

    def run_redriven(self, frame: Frame, event: HistoryEvent) -> Frame:
        runs.run_of(frame).unannounced = False
        return _reached(frame, event, frame.phase)

    def run_succeeded(self, frame: Frame, event: HistoryEvent) -> Frame:
        return _reached(frame, event, Phase.JOIN)

    def run_failed(self, frame: Frame, event: HistoryEvent) -> Frame:
        frame.failure = _failure(event)
        return _reached(frame, event, Phase.RUN_FAILED)

    def redriven(self, frame: Frame, event: HistoryEvent) -> Frame:
        self.root.execution.redriven(event.timestamp)
        reopen(self.root, event.timestamp)
        self.outcome = None
        self.given_up = []
        return frame

    def ended(self, frame: Frame, event: HistoryEvent) -> Frame:
        status = _STATUS[event.type]
        result, error = None, None
        if status == ExecutionStatus.SUCCEEDED:
            result = orjson.loads(event.details["output"])
        else:
            error = {"name": event.details.get("error", ""), "cause": event.details.get("cause", "")}
            if status == ExecutionStatus.FAILED and self.root.phase != Phase.FAILED:  # no other event says so
                self.root.phase, self.root.failure = Phase.FAILED, _failure(event)
                self._detach(self.root)
        self.outcome = StatusChange(status, event.timestamp, result, error)
        return frame

    def _decided(self, frame: Frame, event: HistoryEvent, failure: Failure) -> Frame:
        frame.last = event.id
        self.core.decide(frame, failure)
        return frame

    def _detach(self, owner: Frame) -> None:
        """The children of a failed attempt are kept as they were: a redrive goes on from there."""
        for child in owner.children:
            self.given_up += [frame for frame in walk(child) if frame.token is not None and frame.phase in _OUTSIDE]
        owner.lost = [*owner.lost, *owner.children]
        owner.children = []
        owner.open = 0


def _reached(frame: Frame, event: HistoryEvent, phase: Phase) -> Frame:
    frame.last = event.id
    frame.phase = phase
    return frame


_Handler = Callable[[Fold, Frame, HistoryEvent], Frame]

_HANDLERS: Mapping[str, _Handler] = {
    "ExecutionStarted": Fold.started,
    "ExecutionRedriven": Fold.redriven,
    "TaskScheduled": Fold.scheduled,
    "TaskStarted": Fold.running,
    "TaskSubmitted": Fold.submitted,
    "TaskSucceeded": Fold.succeeded,
    "TaskFailed": Fold.failed,
    "TaskSubmitFailed": Fold.failed,
    "TaskTimedOut": Fold.timed_out,
    "EvaluationFailed": Fold.evaluation_failed,
    "ParallelStateStarted": Fold.container_started,
    "MapStateStarted": Fold.container_started,
    "MapIterationStarted": Fold.iteration_started,
    "MapIterationSucceeded": Fold.iteration_succeeded,
    "MapRunStarted": Fold.run_started,
    "MapRunRedriven": Fold.run_redriven,
    "MapRunSucceeded": Fold.run_succeeded,
    "MapRunFailed": Fold.run_failed,
    "ParallelStateSucceeded": Fold.container_succeeded,
    "MapStateSucceeded": Fold.container_succeeded,
    "ParallelStateFailed": Fold.container_failed,
    "MapStateFailed": Fold.container_failed,
    **dict.fromkeys(_STATUS, Fold.ended),
}


def _handler(kind: str) -> _Handler | None:
    if kind.endswith("StateEntered"):
        return Fold.entered
    if kind.endswith("StateExited"):
        return Fold.exited
    if kind.endswith(("StateAborted", "IterationAborted", "IterationFailed", "RunAborted")):
        return Fold.aborted
    return _HANDLERS.get(kind)


def _around(frame: Frame, state: str) -> Frame:
    """The innermost frame, this one or one around it, that is in the state of this name."""
    while frame.state is None or frame.state.name != state:
        frame = owner_of(frame)
    return frame


def _failure(event: HistoryEvent) -> Failure:
    details: dict[str, Any] = event.details
    return Failure(details.get("error", ""), details.get("cause"), location=details.get("location"))
