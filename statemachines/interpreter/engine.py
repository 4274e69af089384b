"""What an execution does next: synchronous and deterministic, no I/O.

The engine walks frames until every one is blocked on a task, a time or its children. It asks for work by `effects`, and
is told what came of it by `task_succeeded`, `task_failed`, `task_submitted`, `task_completed`, `task_timed_out`,
`fired`, `abort` and `time_out`. Whoever drives it carries the effects out, in order, and writes the execution's events.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shared.executions.records import ExecutionStatus, StatusChange, TaskCompletion
from statemachines.interpreter import containers, runs, states, tasks
from statemachines.interpreter.core import Core
from statemachines.interpreter.execution import MAX_EVENTS
from statemachines.interpreter.failure import DATA_LIMIT_EXCEEDED, RUNTIME, TIMEOUT, Failure
from statemachines.interpreter.frame import Frame, Phase, input_of, owner_of, state_of
from statemachines.interpreter.payloads import MAX_PAYLOAD_BYTES, payload


class Engine(Core):
    """One execution, with the child executions of its distributed Maps."""

    def start(self) -> None:
        """Begins the execution; `now` is its start."""
        self.execution.record("ExecutionStarted", 0, {"input": self.execution.input.text}, self.now)
        self.enter_first()

    def enter_first(self) -> None:
        """Enters the first state; an input above the payload limit fails the execution."""
        text = self.execution.input.text
        if len(text) > MAX_PAYLOAD_BYTES or len(text.encode()) > MAX_PAYLOAD_BYTES:
            cause = f"The input of the execution exceeds the maximum of {MAX_PAYLOAD_BYTES} bytes."
            self.end("ExecutionFailed", 0, ExecutionStatus.FAILED, Failure(DATA_LIMIT_EXCEEDED, cause))
            return
        self.ready.append(self.root)
        self.run()

    def run(self) -> None:
        """Walks every frame that can go on until it is blocked."""
        while self.ready and self.outcome is None:
            frame = self.ready.popleft()
            while self.outcome is None:
                step = _STEPS.get(frame.phase)
                if step is None:
                    break
                if frame.execution.newest >= MAX_EVENTS - 1:
                    _too_many_events(self, frame)
                    break
                try:
                    step(self, frame)
                except Failure as failure:
                    self.fail(frame, failure)

    def written(self) -> None:
        """What was pending is on disk: distributed Maps that waited for that go on."""
        if self.stalled:
            stalled, self.stalled = self.stalled, []
            for frame in stalled:
                if frame.phase == Phase.CHILDREN and frame.run is not None:
                    runs.fill(self, frame)
            self.run()

    # What came of the effects

    def task_succeeded(self, frame: Frame, result: Any) -> None:
        tasks.take_result(self, frame, result)
        self.go_on(frame)

    def task_failed(self, frame: Frame, error: str, cause: str) -> None:
        tasks.take_failure(self, frame, Failure(error, cause))
        self.go_on(frame)

    def task_submitted(self, frame: Frame, result: Any) -> None:
        tasks.take_submission(self, frame, result)
        self.go_on(frame)

    def task_completed(self, frame: Frame, completion: TaskCompletion) -> None:
        """`completion` says that the task succeeded or failed; a heartbeat is `heard_at` of the frame."""
        tasks.take_completion(self, frame, completion)
        self.go_on(frame)

    def task_timed_out(self, frame: Frame) -> None:
        tasks.take_timeout(self, frame)
        self.go_on(frame)

    def fired(self, frame: Frame) -> None:
        """The time that the frame waited for has come."""
        if frame.phase == Phase.WAITING:
            try:
                states.end_wait(self, frame)
            except Failure as failure:
                self.fail(frame, failure)
        else:
            frame.reset()
            frame.phase = Phase.ENTERED
        self.go_on(frame)

    def run_loaded(self, frame: Frame) -> None:
        """The ledger of the frame's Map Run was read."""
        runs.run_loaded(self, frame)
        self.run()

    def abort(self, cause: str) -> None:
        self.end("ExecutionAborted", 0, ExecutionStatus.CANCELLED, Failure("Execution.Aborted", cause))

    def time_out(self) -> None:
        self.end("ExecutionTimedOut", 0, ExecutionStatus.TIMED_OUT, Failure(TIMEOUT))

    def go_on(self, frame: Frame) -> None:
        self.ready.append(frame)
        self.run()


def _enter(engine: Engine, frame: Frame) -> None:
    if frame.input is None and not containers.take_input(engine, frame):
        return
    state = frame.machine.states[str(frame.next)]
    frame.state = state
    frame.entered_id = engine.record(frame, state.entered, {"name": state.name, "input": input_of(frame).text})
    frame.entered_at = engine.now
    frame.phase = Phase.ENTERED


def _begin(engine: Engine, frame: Frame) -> None:
    _BEGIN[state_of(frame).type](engine, frame)


def _finish(engine: Engine, frame: Frame) -> None:
    """The frame's machine has come to its end."""
    output = input_of(frame)
    if frame.owner is None:
        engine.execution.record("ExecutionSucceeded", frame.last, {"output": output.text}, engine.now)
        engine.outcome = StatusChange(ExecutionStatus.SUCCEEDED, engine.now, result=output.value)
    elif frame.is_item:
        runs.item_succeeded(engine, frame)
    else:
        containers.child_done(engine, frame)


def _settle(engine: Engine, frame: Frame) -> None:
    """A failure that is not tried again is caught, or is the failure of the frame."""
    failure = frame.failure
    assert failure is not None  # noqa: S101 - for the type checker: the phase says so
    catcher = None if frame.uncatchable else state_of(frame).catcher(failure.covered_as)
    if catcher is not None:
        error = {"Error": failure.error, "Cause": failure.cause or ""}
        passed = payload(error, state_of(frame).name)
        engine.exit(frame, catcher.next, passed, catcher.output, catcher.assign, errorOutput=error)
    else:
        _lose(engine, frame, failure)


def _lose(engine: Engine, frame: Frame, failure: Failure) -> None:
    if frame.owner is None:
        engine.end("ExecutionFailed", frame.last, ExecutionStatus.FAILED, failure)
    elif frame.is_item:
        runs.item_failed(engine, frame, failure)
    else:
        containers.child_failed(engine, frame, failure)


def _too_many_events(engine: Engine, frame: Frame) -> None:
    """Ends the execution that the frame belongs to, which may be a child execution."""
    failure = Failure(RUNTIME, f"The execution reached the maximum number of history events ({MAX_EVENTS}).")
    while frame.owner is not None and not frame.is_item:
        frame = owner_of(frame)
    frame.last = frame.execution.newest
    _lose(engine, frame, failure)


_Step = Callable[[Engine, Frame], None]

_BEGIN: Mapping[str, _Step] = {
    "Pass": states.begin_pass,
    "Task": tasks.begin_task,
    "Choice": states.begin_choice,
    "Wait": states.begin_wait,
    "Succeed": states.begin_pass,
    "Fail": states.begin_fail,
    "Parallel": containers.begin_parallel,
    "Map": containers.begin_map,
}

_STEPS: Mapping[Phase, _Step] = {
    Phase.START: _enter,
    Phase.ENTERED: _begin,
    Phase.SCHEDULED: tasks.start_task,
    Phase.SUCCEEDED: tasks.end_task,
    Phase.MAPPED: runs.start_run,
    Phase.RUN_DONE: runs.finish_run,
    Phase.RUN_FAILED: runs.fail_state,
    Phase.JOIN: containers.join,
    Phase.JOINED: containers.leave,
    Phase.FAILED: _settle,
    Phase.DONE: _finish,
}
"""What to do next in each phase; in the others a frame is blocked."""
