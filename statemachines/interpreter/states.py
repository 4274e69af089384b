"""What Pass, Succeed, Fail, Choice and Wait do when they are entered. See tasks, containers and runs for the others.

Every function takes the core and a frame whose state is of the type. A function evaluates before it records anything,
so that a failure leaves the frame as it was.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-states.html
"""

from datetime import UTC, datetime, timedelta

from statemachines.asl.limits import MAX_WAIT_SECONDS
from statemachines.interpreter.core import Core
from statemachines.interpreter.effects import Sleep
from statemachines.interpreter.failure import RUNTIME, Failure
from statemachines.interpreter.frame import Frame, Phase, input_of, state_of
from statemachines.interpreter.machine import Amount, State
from statemachines.interpreter.template import Variables, wrong_type


def begin_pass(core: Core, frame: Frame) -> None:
    """Pass and Succeed: the output is the input, unless `Output` says otherwise."""
    state = state_of(frame)
    core.exit(frame, state.next, input_of(frame), state.output, state.assign)


def begin_fail(core: Core, frame: Frame) -> None:
    """Fails with the state's error and cause."""
    core.failed(frame, failure_of(core, frame))


def failure_of(core: Core, frame: Frame) -> Failure:
    """The failure that a Fail state stands for."""
    state, variables = state_of(frame), core.variables(frame)
    error = _text(state.error, "Error", variables) or ""
    return Failure(error, _text(state.cause, "Cause", variables))


def _text(amount: Amount | None, field: str, variables: Variables) -> str | None:
    value = amount.template(variables) if amount else None
    if amount and not isinstance(value, str):
        raise wrong_type(amount.text, field, "string", value)
    return value


def begin_choice(core: Core, frame: Frame) -> None:
    """The first rule whose condition is true says where to go, and what to assign; else the state's Default does."""
    state = state_of(frame)
    index = chosen(core, frame)
    if index is not None:
        rule = state.rules[index]
        core.exit(frame, rule.next, input_of(frame), rule.output, rule.assign)
    elif state.next is not None:
        core.exit(frame, state.next, input_of(frame), state.output, state.assign)
    else:
        text = "Failed to transition out of the state. The state does not point to a next state."
        raise Failure(RUNTIME, text)


def chosen(core: Core, frame: Frame) -> int | None:
    """The index of the first rule that applies."""
    variables = core.variables(frame)
    for index, rule in enumerate(state_of(frame).rules):
        value = rule.condition(variables)
        if value is True:
            return index
        if value is not False:
            raise wrong_type(rule.text, rule.field, "boolean", value)
    return None


def begin_wait(core: Core, frame: Frame) -> None:
    """Counts from when the state was entered or redriven, so that a restart does not wait again."""
    state, variables = state_of(frame), core.variables(frame)
    since = frame.begun_at or frame.entered_at or frame.execution.started_at
    frame.due = _until(state, variables, since)
    frame.phase = Phase.WAITING
    if frame.due <= core.now:
        end_wait(core, frame)
    else:
        core.effects.append(Sleep(frame))


def end_wait(core: Core, frame: Frame) -> None:
    """The time has come."""
    state = state_of(frame)
    core.exit(frame, state.next, input_of(frame), state.output, state.assign)


def _until(state: State, variables: Variables, since: datetime) -> datetime:
    if state.seconds is not None:
        seconds = state.seconds.whole("Seconds", variables, 0, MAX_WAIT_SECONDS)
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
