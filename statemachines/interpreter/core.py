"""What every state type does: reads, records, leaves its state, fails. See engine for what drives it.

Order and chains of events are those of Step Functions.
Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson

from shared.clock import iso
from shared.executions.records import ExecutionStatus, StatusChange
from statemachines.interpreter.effects import Effect, Sleep
from statemachines.interpreter.execution import Execution
from statemachines.interpreter.failure import DATA_LIMIT_EXCEEDED, RUNTIME, Failure
from statemachines.interpreter.frame import Frame, Phase, input_of, state_of, walk
from statemachines.interpreter.machine import Machine
from statemachines.interpreter.payloads import (
    MAX_PAYLOAD_BYTES,
    MAX_VARIABLES_BYTES,
    Payload,
    payload,
    too_large,
)
from statemachines.interpreter.template import Template, wrong_type

Mint = Callable[[Frame], str]
_RETRYING = frozenset({"Task", "Parallel", "Map"})


class Core:
    """One execution. `outcome` is set once it has ended; `now` is the time of what is being recorded."""

    def __init__(
        self, machine: Machine, execution: Execution, mint: Mint | None = None, *, reads_histories: bool = False
    ) -> None:
        """`mint` gives the token of the task that a frame begins; without it no task can wait for a completion.
        `reads_histories` says whether LoadRun and LoadItem can be carried out; without it no distributed Map is run.
        """
        self.execution = execution
        self.now = execution.started_at
        self.root = Frame(machine, execution, owned=True, next=machine.start, input=execution.input)
        self.ready: deque[Frame] = deque()
        self.effects: deque[Effect] = deque()
        self.outcome: StatusChange | None = None
        self.mint = mint
        self.reads_histories = reads_histories
        self.stalled: list[Frame] = []
        """Distributed Maps that begin their next items when what is pending is written."""

    def record(self, frame: Frame, kind: str, details: dict[str, Any]) -> int:
        """Adds an event to the frame's chain."""
        frame.last = frame.execution.record(kind, frame.last, details, self.now)
        return frame.last

    # Leaving a state

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
        details["output"] = passed.text
        if assign:
            values = {name: template(variables) for name, template in assign.items()}
            details["assignedVariables"] = self._kept(frame, values)
            frame.assign(values)
        self.record(frame, state.exited, details)
        self.move(frame, target, passed)

    def move(self, frame: Frame, target: str | None, output: Payload) -> None:
        frame.leave()
        frame.input = output
        frame.next = target
        frame.phase = Phase.START if target is not None else Phase.DONE

    def _kept(self, frame: Frame, values: Mapping[str, Any]) -> dict[str, str]:
        """The text of each variable. Raises States.DataLimitExceeded above what one state, or all, may keep."""
        texts: dict[str, str] = {}
        sizes: dict[str, int] = {}
        total = 0
        for name, value in values.items():
            encoded = orjson.dumps(value)
            total += len(encoded)
            texts[name], sizes[name] = encoded.decode(), len(encoded)
        if total > MAX_PAYLOAD_BYTES:
            raise too_large(state_of(frame).name)
        if frame.execution.variable_bytes + total > MAX_VARIABLES_BYTES:
            self._check_variables(frame, sizes, total)
        self.keep(frame, sizes)
        return texts

    def _check_variables(self, frame: Frame, sizes: Mapping[str, int], total: int) -> None:
        total -= sum(frame.assigned.get(name, 0) for name in sizes)
        if frame.execution.variable_bytes + total > MAX_VARIABLES_BYTES:
            text = f"The variables of the execution exceed the maximum of {MAX_VARIABLES_BYTES} bytes."
            raise Failure(DATA_LIMIT_EXCEEDED, text)

    def keep(self, frame: Frame, sizes: Mapping[str, int]) -> None:
        """Counts the bytes of variables that the frame assigns."""
        assigned, execution = frame.assigned, frame.execution
        for name, size in sizes.items():
            execution.variable_bytes += size - assigned.get(name, 0)
            assigned[name] = size

    def close(self, frame: Frame) -> None:
        """The frame is of no further use, and its variables are gone."""
        frame.phase = Phase.CLOSED
        if frame.assigned:
            frame.execution.variable_bytes -= sum(frame.assigned.values())
            frame.assigned = {}

    # Failing

    def fail(self, frame: Frame, failure: Failure) -> None:
        """The interpreter itself found the failure while it worked on the frame's state."""
        frame.uncatchable = frame.phase == Phase.FAILED
        if failure.error != DATA_LIMIT_EXCEEDED:
            failure = self._explained(frame, failure)
        if failure.location is not None:
            details = {**failure.details(), "location": failure.location, "state": state_of(frame).name}
            self.record(frame, "EvaluationFailed", details)
        failure.untold = failure.location is None
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
        index = None if frame.uncatchable else state.retrier(failure.covered_as)
        if index is None:
            return
        retrier, used = state.retriers[index], frame.retries.get(index, 0)
        if used >= retrier.attempts:
            return
        frame.retries[index] = used + 1
        frame.retry_count += 1
        frame.attempts += 1
        delay = retrier.delay(used)
        if retrier.jitter:  # seeded, so that the same execution waits as long after a restart
            delay *= random.Random(f"{frame.execution.id}:{frame.last}").random()  # noqa: S311 - no secret
        frame.due = self.now + timedelta(seconds=delay)
        frame.token = None
        frame.phase = Phase.BACKOFF

    def end(self, kind: str, previous: int, status: ExecutionStatus, failure: Failure) -> None:
        """The whole execution ends without success, and with it the child executions that are at work."""
        if self.outcome is not None:
            return
        for frame in walk(self.root):
            if frame.is_item and frame.phase != Phase.CLOSED:
                frame.execution.record("ExecutionAborted", 0, {}, self.now)
        self.execution.record(kind, previous, failure.details(), self.now)
        error = {"name": failure.error, "cause": failure.cause or ""}
        self.outcome = StatusChange(status, self.now, error=error)

    # What expressions read

    def variables(self, frame: Frame, **readable: Any) -> dict[str, Any]:
        """The variables in scope with `$states`. Valid until the next call: evaluations never overlap."""
        variables = frame.variables
        variables["states"] = {"input": input_of(frame).value, "context": self.context(frame), **readable}
        return variables

    def context(self, frame: Frame) -> dict[str, Any]:
        """`$states.context`.

        Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
        """
        state = state_of(frame)
        if frame.entered_text is None:
            frame.entered_text = iso(frame.entered_at or frame.execution.started_at)
        about: dict[str, Any] = {"Name": state.name, "EnteredTime": frame.entered_text}
        if state.type in _RETRYING:
            about["RetryCount"] = frame.retry_count
        found = {**frame.execution.context(), "State": about}
        if frame.token is not None and state.integration is not None and state.integration.called_back:
            found["Task"] = {"Token": frame.token}
        if frame.owner is not None:
            item = self._item_around(frame)
            if item is not None:
                found["Map"] = {"Item": item}
        return found

    def _item_around(self, frame: Frame) -> dict[str, Any] | None:
        """`Map.Item` of the innermost iteration that the frame is in; a child execution knows of none around it."""
        while frame.owner is not None and not frame.is_item:
            if state_of(frame.owner).type == "Map":
                return self.item(frame.owner, frame.index)
            frame = frame.owner
        return None

    def item(self, frame: Frame, index: int) -> dict[str, Any]:
        """`Map.Item`: of a list `{"Index", "Value"}`, of an object `{"Index", "Key", "Value"}`."""
        item = self.items(frame)[index]
        return {"Index": index, **item} if frame.keyed else {"Index": index, "Value": item}

    def items(self, frame: Frame) -> list[Any]:
        """What a Map iterates over; an object gives its members as `{"Key", "Value"}`."""
        if frame.items is None:
            amount = state_of(frame).items
            value = amount.template(self.variables(frame)) if amount else input_of(frame).value
            frame.keyed = isinstance(value, dict)
            if isinstance(value, dict):
                value = [{"Key": key, "Value": item} for key, item in value.items()]
            if not isinstance(value, list):
                if amount:
                    raise wrong_type(amount.text, "Items", "array", value)
                raise Failure(RUNTIME, "The state's input is not an array, and there is no field 'Items'.")
            frame.items = value
        return frame.items

    def item_input(self, frame: Frame, index: int) -> Any:
        """The item, or what `ItemSelector` makes of it."""
        selector = state_of(frame).item_selector
        if selector is None:
            return self.items(frame)[index]
        item = self.item(frame, index)
        variables = self.variables(frame)
        variables["states"]["context"]["Map"] = {"Item": item}
        return selector(variables)
