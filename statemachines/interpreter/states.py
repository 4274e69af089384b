"""What each state type does when it is entered, save those that contain machines (see containers).

Every function takes the engine and a frame whose state is of the type. A function evaluates before it records anything,
so that a failure leaves the frame as it was.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-states.html
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from statemachines.asl.limits import MAX_WAIT_SECONDS
from statemachines.interpreter.effects import RunTask, Sleep
from statemachines.interpreter.failure import RUNTIME, TIMEOUT, Failure
from statemachines.interpreter.frame import Frame, Payload, Phase, state_of
from statemachines.interpreter.machine import Amount, Integration, State
from statemachines.interpreter.recorder import MAX_PAYLOAD_BYTES, payload, too_large
from statemachines.interpreter.template import Variables, wrong_type

if TYPE_CHECKING:
    from statemachines.interpreter.engine import Engine


def begin_pass(engine: "Engine", frame: Frame) -> None:
    """Pass and Succeed: the output is the input, unless `Output` says otherwise."""
    state = state_of(frame)
    engine.exit(frame, state.next, input_of(frame), state.output, state.assign)


def begin_fail(engine: "Engine", frame: Frame) -> None:
    """Fails with the state's error and cause."""
    engine.failed(frame, failure_of(engine, frame))


def failure_of(engine: "Engine", frame: Frame) -> Failure:
    """The failure that a Fail state stands for."""
    state, variables = state_of(frame), engine.variables(frame)
    error = _text(state.error, "Error", variables) or ""
    return Failure(error, _text(state.cause, "Cause", variables))


def _text(amount: Amount | None, field: str, variables: Variables) -> str | None:
    value = amount.template(variables) if amount else None
    if amount and not isinstance(value, str):
        raise wrong_type(amount.text, field, "string", value)
    return value


def begin_choice(engine: "Engine", frame: Frame) -> None:
    """The first rule whose condition is true says where to go, and what to assign; else the state's Default does."""
    state = state_of(frame)
    index = chosen(engine, frame)
    if index is not None:
        rule = state.rules[index]
        engine.exit(frame, rule.next, input_of(frame), rule.output, rule.assign)
    elif state.next is not None:
        engine.exit(frame, state.next, input_of(frame), state.output, state.assign)
    else:
        text = "Failed to transition out of the state. The state does not point to a next state."
        raise Failure(RUNTIME, text)


def chosen(engine: "Engine", frame: Frame) -> int | None:
    """The index of the first rule that applies."""
    variables = engine.variables(frame)
    for index, rule in enumerate(state_of(frame).rules):
        value = rule.condition(variables)
        if value is True:
            return index
        if value is not False:
            raise wrong_type(rule.text, rule.field, "boolean", value)
    return None


def begin_wait(engine: "Engine", frame: Frame) -> None:
    """Counts from when the state was entered, so that a restart does not wait again."""
    state, variables = state_of(frame), engine.variables(frame)
    frame.due = _until(state, variables, frame.entered_at or engine.started_at)
    frame.phase = Phase.WAITING
    if frame.due <= engine.recorder.now:
        end_wait(engine, frame)
    else:
        engine.effects.append(Sleep(frame))


def end_wait(engine: "Engine", frame: Frame) -> None:
    """The time has come."""
    state = state_of(frame)
    engine.exit(frame, state.next, input_of(frame), state.output, state.assign)


def _until(state: State, variables: Variables, since: datetime) -> datetime:
    if state.seconds is not None:
        seconds = whole(state.seconds, "Seconds", variables, 0, MAX_WAIT_SECONDS)
        return since + timedelta(seconds=seconds)
    assert state.timestamp is not None  # noqa: S101 - for the type checker: one of the two is given
    text = state.timestamp.template(variables)
    try:
        return _timestamp(text)
    except (ValueError, TypeError):
        problem = f"The value '{text}' of the field 'Timestamp' is no timestamp of RFC 3339 with a time zone."
        raise Failure(RUNTIME, problem) from None


def _timestamp(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("no time zone")
    return at.astimezone(UTC)


def whole(amount: Amount, field: str, variables: Variables, least: int, most: int) -> int:
    """A field's value, which is a whole number from `least` to `most`."""
    value = amount.template(variables)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(amount.text, field, "number", value)
    if not least <= value <= most:
        raise Failure(RUNTIME, f"The field '{field}' is {value}; it must be between {least} and {most}.")
    return value


def begin_task(engine: "Engine", frame: Frame) -> None:
    """Evaluates the call, and schedules it."""
    state, variables = state_of(frame), engine.variables(frame)
    call = payload(state.arguments(variables) if state.arguments else {}, state.name)
    timeout = whole(state.timeout, "TimeoutSeconds", variables, 1, MAX_WAIT_SECONDS) if state.timeout else None
    heartbeat = whole(state.heartbeat, "HeartbeatSeconds", variables, 1, MAX_WAIT_SECONDS) if state.heartbeat else None
    details: dict[str, Any] = {**_about(state), "region": "local", "parameters": call.text}
    if timeout is not None:
        details["timeoutInSeconds"] = timeout
    if heartbeat is not None:
        details["heartbeatInSeconds"] = heartbeat
    engine.record(frame, "TaskScheduled", details)
    frame.call, frame.timeout = call, timeout
    frame.phase = Phase.SCHEDULED


def start_task(engine: "Engine", frame: Frame) -> None:
    """Asks for the call to be made."""
    engine.record(frame, "TaskStarted", _about(state_of(frame)))
    frame.phase = Phase.RUNNING
    engine.effects.append(RunTask(frame))


def take_result(engine: "Engine", frame: Frame, result: Any) -> None:
    """The task's work is done. The result is read back from its text, as it would be after a restart."""
    about = _about(state_of(frame))
    try:
        encoded = orjson.dumps(result)
    except TypeError as error:
        take_failure(engine, frame, Failure(RUNTIME, f"The task's result is no JSON: {error}."))
        return
    if len(encoded) > MAX_PAYLOAD_BYTES:
        take_failure(engine, frame, too_large(about["resourceType"]))
        return
    frame.result = Payload(orjson.loads(encoded), encoded.decode())
    engine.record(frame, "TaskSucceeded", {**about, "output": frame.result.text})
    frame.phase = Phase.SUCCEEDED


def take_failure(engine: "Engine", frame: Frame, failure: Failure) -> None:
    """The task's work failed."""
    engine.record(frame, "TaskFailed", {**_about(state_of(frame)), **failure.details()})
    engine.failed(frame, failure)


def take_timeout(engine: "Engine", frame: Frame) -> None:
    """The task's TimeoutSeconds are over."""
    failure = Failure(TIMEOUT)
    engine.record(frame, "TaskTimedOut", {**_about(state_of(frame)), **failure.details()})
    engine.failed(frame, failure)


def end_task(engine: "Engine", frame: Frame) -> None:
    """Leaves the state with the task's result."""
    state, result = state_of(frame), frame.result
    assert result is not None  # noqa: S101 - for the type checker: the phase says so
    engine.exit(frame, state.next, result, state.output, state.assign, result=result.value)


def _about(state: State) -> dict[str, str]:
    integration = integration_of(state)
    return {"resourceType": integration.resource_type, "resource": integration.resource}


def integration_of(state: State) -> Integration:
    """A Task's resource."""
    if state.integration is None:
        raise AssertionError(f"the Task '{state.name}' was loaded without its resource")
    return state.integration


def input_of(frame: Frame) -> Payload:
    """The input of the frame's state; of a frame that is done, its output."""
    if frame.input is None:
        raise AssertionError("the frame has entered no state")
    return frame.input
