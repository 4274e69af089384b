"""Task: how its call is made, handed over, waited for and ended.

Terms:
  handed over   the call of a task that waits for a completion from outside has returned: TaskSubmitted
  deadline      when a task's TimeoutSeconds are over; they count from its TaskStarted event

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html. Events as recorded from AWS: LocalStack's
tests/aws/services/stepfunctions/v2/callback, timeouts and services.
"""

from datetime import datetime, timedelta
from typing import Any

import orjson

from shared.executions.records import TaskCompletion
from statemachines.asl.limits import MAX_WAIT_SECONDS
from statemachines.interpreter.core import Core
from statemachines.interpreter.effects import Await, RunTask
from statemachines.interpreter.failure import HEARTBEAT_TIMEOUT, RUNTIME, TIMEOUT, Failure
from statemachines.interpreter.frame import Frame, Phase, state_of
from statemachines.interpreter.machine import Amount, Integration, State
from statemachines.interpreter.payloads import MAX_PAYLOAD_BYTES, Payload, payload, text_of, too_large
from statemachines.interpreter.template import Variables

_NO_KEY = "This interpreter was given no key for task tokens, so no task can wait for a completion from outside."


def begin_task(core: Core, frame: Frame) -> None:
    """Evaluates the call, and schedules it."""
    state = state_of(frame)
    if state.waits:
        frame.token = token_of(core, frame)
    variables = core.variables(frame)
    call = payload(state.arguments(variables) if state.arguments else {}, state.name)
    timeout = _seconds(state.timeout, "TimeoutSeconds", variables) if state.timeout else None
    heartbeat = _seconds(state.heartbeat, "HeartbeatSeconds", variables) if state.heartbeat else None
    details: dict[str, Any] = {**about(state), "region": "local", "parameters": call.text}
    if timeout is not None:
        details["timeoutInSeconds"] = timeout
    if heartbeat is not None:
        details["heartbeatInSeconds"] = heartbeat
    core.record(frame, "TaskScheduled", details)
    frame.call, frame.timeout, frame.heartbeat = call, timeout, heartbeat
    frame.phase = Phase.SCHEDULED


def token_of(core: Core, frame: Frame) -> str:
    """By which the attempt is completed: always the same for the same attempt."""
    if core.mint is None:
        raise Failure(RUNTIME, _NO_KEY)
    return core.mint(frame)


def _seconds(amount: Amount, field: str, variables: Variables) -> int:
    return amount.whole(field, variables, 1, MAX_WAIT_SECONDS)


def start_task(core: Core, frame: Frame) -> None:
    """Asks for the call to be made."""
    core.record(frame, "TaskStarted", integration_of(state_of(frame)).about)
    frame.started_at = core.now
    frame.phase = Phase.RUNNING
    core.effects.append(RunTask(frame))


def take_submission(core: Core, frame: Frame, result: Any) -> None:
    """The task was handed over. Signs of life are expected from now on."""
    text = _text(core, frame, result)
    if text is not None:
        core.record(frame, "TaskSubmitted", {**about(state_of(frame)), "output": text})
        frame.heard_at = core.now
        frame.phase = Phase.SUBMITTED
        core.effects.append(Await(frame))


def due_of(frame: Frame) -> datetime | None:
    """When a task that was handed over times out, unless it ends or is heard of before."""
    found = [deadline for deadline in (deadline_of(frame), _silence_of(frame)) if deadline is not None]
    return min(found, default=None)


def deadline_of(frame: Frame) -> datetime | None:
    """When its TimeoutSeconds are over."""
    if frame.timeout is None or frame.started_at is None:
        return None
    return frame.started_at + timedelta(seconds=frame.timeout)


def _silence_of(frame: Frame) -> datetime | None:
    if frame.heartbeat is None or frame.heard_at is None:
        return None
    return frame.heard_at + timedelta(seconds=frame.heartbeat)


def take_completion(core: Core, frame: Frame, completion: TaskCompletion) -> None:
    """Somebody outside said how the task ended."""
    if completion.kind == "failed":
        take_failure(core, frame, Failure(completion.error, completion.cause))
    else:
        take_result(core, frame, _output_of(integration_of(state_of(frame)), completion.output))


def _output_of(integration: Integration, output: Any) -> Any:
    """`startExecution.sync` gives input and output of the nested execution as text, `.sync:2` as JSON.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
    """
    if integration.resource != "startExecution.sync" or not isinstance(output, dict):
        return output
    return {key: text_of(value) if key in ("Input", "Output") else value for key, value in output.items()}


def take_result(core: Core, frame: Frame, result: Any) -> None:
    """The task's work is done. The result is read back from its text, as it would be after a restart."""
    text = _text(core, frame, result)
    if text is not None:
        frame.result = Payload(orjson.loads(text), text)
        core.record(frame, "TaskSucceeded", {**about(state_of(frame)), "output": text})
        frame.phase = Phase.SUCCEEDED


def _text(core: Core, frame: Frame, result: Any) -> str | None:
    """The text of what a call gave; None where that has failed the task."""
    try:
        encoded = orjson.dumps(result)
    except TypeError as error:
        take_failure(core, frame, Failure(RUNTIME, f"The task's result is no JSON: {error}."))
        return None
    if len(encoded) > MAX_PAYLOAD_BYTES:
        take_failure(core, frame, too_large(about(state_of(frame))["resourceType"]))
        return None
    return encoded.decode()


def take_failure(core: Core, frame: Frame, failure: Failure) -> None:
    """The task's work failed, or could not be handed over."""
    state = state_of(frame)
    kind = "TaskSubmitFailed" if state.waits and frame.phase == Phase.RUNNING else "TaskFailed"
    core.record(frame, kind, {**about(state), **failure.details()})
    core.failed(frame, failure)


def take_timeout(core: Core, frame: Frame) -> None:
    """The task's TimeoutSeconds are over, or it was not heard of for HeartbeatSeconds."""
    failure = timeout_of(frame, core.now)
    core.record(frame, "TaskTimedOut", {**about(state_of(frame)), **failure.details()})
    core.failed(frame, failure)


def timeout_of(frame: Frame, now: datetime) -> Failure:
    """AWS records a missed heartbeat as States.Timeout; `ErrorEquals` may name it States.HeartbeatTimeout."""
    deadline = deadline_of(frame)
    missed = frame.heartbeat is not None and frame.token is not None and (deadline is None or now < deadline)
    return Failure(TIMEOUT, covered_as=HEARTBEAT_TIMEOUT if missed else None)


def end_task(core: Core, frame: Frame) -> None:
    """Leaves the state with the task's result."""
    state, result = state_of(frame), frame.result
    assert result is not None  # noqa: S101 - for the type checker: the phase says so
    core.exit(frame, state.next, result, state.output, state.assign, result=result.value)


def about(state: State) -> dict[str, str]:
    """The resource, as every event of a task names it."""
    return integration_of(state).about


def integration_of(state: State) -> Integration:
    """A Task's resource."""
    if state.integration is None:
        raise AssertionError(f"the Task '{state.name}' was loaded without its resource")
    return state.integration
