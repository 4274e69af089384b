"""What an execution does next: synchronous and deterministic, no I/O.

The engine walks frames until every one is blocked on a task, a time or its children. It asks for work by `effects`, and
is told what came of it by `task_succeeded`, `task_failed`, `task_timed_out`, `fired`, `abort` and `time_out`. Whoever
drives it carries the effects out, in order, and writes the recorder's events.

Order and chains of events are those of Step Functions.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from shared.clock import iso
from shared.executions.records import ExecutionStatus, StatusChange
from statemachines.interpreter import containers, states
from statemachines.interpreter.effects import About, Effect, Sleep
from statemachines.interpreter.failure import DATA_LIMIT_EXCEEDED, RUNTIME, TIMEOUT, Failure
from statemachines.interpreter.frame import Frame, Payload, Phase, state_of
from statemachines.interpreter.machine import Machine
from statemachines.interpreter.recorder import MAX_EVENTS, Recorder, payload
from statemachines.interpreter.template import Template


class Engine:
    """One execution. `outcome` is set once it has ended."""

    def __init__(self, machine: Machine, input_: Payload, about: About, recorder: Recorder) -> None:
        self.input = input_
        self.about = about
        self.recorder = recorder
        self.root = Frame(machine, next=machine.start, input=input_, owned=True)
        self.ready: deque[Frame] = deque()
        self.effects: deque[Effect] = deque()
        self.outcome: StatusChange | None = None
        self.started_at = recorder.now
        self._execution: dict[str, Any] | None = None

    def start(self) -> None:
        """Begins the execution; `recorder.now` is its start."""
        assert self.root.input is not None  # noqa: S101 - for the type checker: the constructor sets it
        self.recorder.record("ExecutionStarted", 0, {"input": self.root.input.text})
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
                if self.recorder.newest >= MAX_EVENTS - 1:
                    self._too_many_events()
                    return
                try:
                    step(self, frame)
                except Failure as failure:
                    self.fail(frame, failure)

    # What came of the effects

    def task_succeeded(self, frame: Frame, result: Any) -> None:
        states.take_result(self, frame, result)
        self._go_on(frame)

    def task_failed(self, frame: Frame, error: str, cause: str) -> None:
        states.take_failure(self, frame, Failure(error, cause))
        self._go_on(frame)

    def task_timed_out(self, frame: Frame) -> None:
        states.take_timeout(self, frame)
        self._go_on(frame)

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
        self._go_on(frame)

    def abort(self, cause: str) -> None:
        self._end("ExecutionAborted", 0, ExecutionStatus.CANCELLED, Failure("Execution.Aborted", cause))

    def time_out(self) -> None:
        self._end("ExecutionTimedOut", 0, ExecutionStatus.TIMED_OUT, Failure(TIMEOUT))

    def _go_on(self, frame: Frame) -> None:
        self.ready.append(frame)
        self.run()

    # What every state type does

    def record(self, frame: Frame, kind: str, details: dict[str, Any]) -> int:
        """Adds an event to the frame's chain."""
        frame.last = self.recorder.record(kind, frame.last, details)
        return frame.last

    def enter(self, frame: Frame) -> None:
        if frame.input is None and not containers.take_input(self, frame):
            return
        state = frame.machine.states[str(frame.next)]
        frame.state = state
        text = states.input_of(frame).text
        frame.entered_id = self.record(frame, state.entered, {"name": state.name, "input": text})
        frame.entered_at = self.recorder.now
        frame.phase = Phase.ENTERED

    def begin(self, frame: Frame) -> None:
        _BEGIN[state_of(frame).type](self, frame)

    def exit(
        self,
        frame: Frame,
        target: str | None,
        passed: Payload,
        output: Template | None,
        assign: Mapping[str, Template],
        **readable: Any,
    ) -> None:
        """Leaves the frame's state towards `target` (None: the machine's end).

        `passed` is the output where the state has no `Output`; `readable` are further members of `$states`.
        """
        state = state_of(frame)
        details: dict[str, Any] = {"name": state.name}
        variables = self.variables(frame, **readable) if output or assign else {}
        if output is not None:
            passed = payload(output(variables), state.name)
        values = {name: template(variables) for name, template in assign.items()}
        details["output"] = passed.text
        if values:
            details["assignedVariables"] = {name: payload(value, state.name).text for name, value in values.items()}
            frame.assign(values)
        self.record(frame, state.exited, details)
        self.move(frame, target, passed)

    def move(self, frame: Frame, target: str | None, output: Payload) -> None:
        frame.leave()
        frame.input = output
        frame.next = target
        frame.phase = Phase.START if target is not None else Phase.DONE

    def finish(self, frame: Frame) -> None:
        """The frame's machine has come to its end."""
        assert frame.input is not None  # noqa: S101 - for the type checker: a state has exited
        if frame.owner is not None:
            containers.child_done(self, frame)
            return
        self.recorder.record("ExecutionSucceeded", frame.last, {"output": frame.input.text})
        self.outcome = StatusChange(ExecutionStatus.SUCCEEDED, self.recorder.now, result=frame.input.value)

    # Failing

    def fail(self, frame: Frame, failure: Failure) -> None:
        """The interpreter itself found the failure while it worked on the frame's state."""
        frame.uncatchable = frame.phase == Phase.FAILED
        if failure.error != DATA_LIMIT_EXCEEDED:
            failure = self._explained(frame, failure)
        if failure.location is not None:
            details = {**failure.details(), "location": failure.location, "state": state_of(frame).name}
            self.record(frame, "EvaluationFailed", details)
        self.failed(frame, failure)

    def failed(self, frame: Frame, failure: Failure) -> None:
        """The frame's state failed, and the history says so already."""
        self.decide(frame, failure)
        if frame.phase == Phase.BACKOFF:
            self.effects.append(Sleep(frame))

    def _explained(self, frame: Frame, failure: Failure) -> Failure:
        """With the state's name in front of the cause, as Step Functions puts it to failures that it finds itself."""
        prefix = f"An error occurred while executing the state '{state_of(frame).name}' "
        prefix += f"(entered at the event id #{frame.entered_id}). "
        return Failure(failure.error, prefix + (failure.cause or ""), location=failure.location)

    def decide(self, frame: Frame, failure: Failure) -> None:
        """Tried again, or not: sets the phase. Depends on nothing but the frame and the time of the newest event."""
        state = state_of(frame)
        frame.failure = failure
        frame.phase = Phase.FAILED
        index = None if frame.uncatchable else state.retrier(failure.error)
        if index is None:
            return
        retrier, used = state.retriers[index], frame.retries.get(index, 0)
        if used >= retrier.attempts:
            return
        frame.retries[index] = used + 1
        frame.retry_count += 1
        delay = retrier.delay(used)
        if retrier.jitter:  # seeded, so that the same execution waits as long after a restart
            delay *= random.Random(f"{self.about.execution_id}:{frame.last}").random()  # noqa: S311 - no secret
        frame.due = self.recorder.now + timedelta(seconds=delay)
        frame.phase = Phase.BACKOFF

    def settle(self, frame: Frame) -> None:
        """A failure that is not tried again is caught, or is the failure of the frame."""
        failure = frame.failure
        assert failure is not None  # noqa: S101 - for the type checker: the phase says so
        catcher = None if frame.uncatchable else state_of(frame).catcher(failure.error)
        if catcher is not None:
            error = {"Error": failure.error, "Cause": failure.cause or ""}
            passed = payload(error, state_of(frame).name)
            self.exit(frame, catcher.next, passed, catcher.output, catcher.assign, errorOutput=error)
        elif frame.owner is not None:
            containers.child_failed(self, frame, failure)
        else:
            self._end("ExecutionFailed", frame.last, ExecutionStatus.FAILED, failure)

    def _too_many_events(self) -> None:
        text = f"The execution reached the maximum number of history events ({MAX_EVENTS})."
        self._end("ExecutionFailed", self.recorder.newest, ExecutionStatus.FAILED, Failure(RUNTIME, text))

    def _end(self, kind: str, previous: int, status: ExecutionStatus, failure: Failure) -> None:
        if self.outcome is None:
            self.recorder.record(kind, previous, failure.details())
            error = {"name": failure.error, "cause": failure.cause or ""}
            self.outcome = StatusChange(status, self.recorder.now, error=error)

    # What expressions read

    def variables(self, frame: Frame, **readable: Any) -> dict[str, Any]:
        """The variables in scope with `$states`. Valid until the next call: evaluations never overlap."""
        assert frame.input is not None  # noqa: S101 - for the type checker: the state was entered
        variables = frame.variables
        variables["states"] = {"input": frame.input.value, "context": self._context(frame), **readable}
        return variables

    def _context(self, frame: Frame) -> dict[str, Any]:
        """`$states.context`. Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html."""
        if self._execution is None:
            self._execution = self._execution_context()
        state: dict[str, Any] = {"Name": state_of(frame).name, "EnteredTime": iso(frame.entered_at or self.started_at)}
        if state_of(frame).type == "Task":
            state["RetryCount"] = frame.retry_count
        found = {"Execution": self._execution, "State": state, "StateMachine": self._machine_context()}
        item = containers.item_of(self, frame)
        return found if item is None else {**found, "Map": {"Item": item}}

    def _execution_context(self) -> dict[str, Any]:
        about = self.about
        return {
            "Id": f"arn:aws:states:local:000000000000:execution:{about.workflow_name}:{about.execution_id}",
            "Input": self.input.value,
            "Name": about.execution_id,
            "StartTime": iso(self.started_at),
            "RedriveCount": 0,
        }

    def _machine_context(self) -> dict[str, Any]:
        name = self.about.workflow_name
        return {"Id": f"arn:aws:states:local:000000000000:stateMachine:{name}", "Name": name}


_BEGIN: Mapping[str, Callable[[Engine, Frame], None]] = {
    "Pass": states.begin_pass,
    "Task": states.begin_task,
    "Choice": states.begin_choice,
    "Wait": states.begin_wait,
    "Succeed": states.begin_pass,
    "Fail": states.begin_fail,
    "Parallel": containers.begin_parallel,
    "Map": containers.begin_map,
}

_STEPS: Mapping[Phase, Callable[[Engine, Frame], None]] = {
    Phase.START: Engine.enter,
    Phase.ENTERED: Engine.begin,
    Phase.SCHEDULED: states.start_task,
    Phase.SUCCEEDED: states.end_task,
    Phase.JOIN: containers.join,
    Phase.JOINED: containers.leave,
    Phase.FAILED: Engine.settle,
    Phase.DONE: Engine.finish,
}
"""What to do next in each phase; in the others a frame is blocked."""
