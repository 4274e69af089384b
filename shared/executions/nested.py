"""Nested executions: where they run, and their end as the task of the execution that waits for it sees it.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
"""

from collections.abc import Mapping
from typing import Any

import orjson

from shared.executions.records import ExecutionStatus, StartRequest, StatusChange, TaskCompletion

TASK_FAILED = "States.TaskFailed"
_STATUS = {ExecutionStatus.CANCELLED: "ABORTED"}


def is_express(mode: str | None, context: Mapping[str, Any]) -> bool:
    """Whether an execution of a version of this mode runs on an EXPRESS machine on AWS. One that is nested in another
    does not: whoever waits for it has to be able to ask Step Functions about it. `mode` is None where it has no row."""
    return mode == "express" and "parent" not in context


def completion_of(
    request: StartRequest, workflow_name: str, input_: Any, change: StatusChange
) -> TaskCompletion | None:
    """What the end of an execution says to the one that waits for it; None where nobody does.

    Who waits is `{"execution_id", "token", "wait": true}` under `parent` in the request's context. `input_` is the
    state machine's input. The output is what `startExecution.sync:2` gives: the description of the execution, with
    `Input` and `Output` as JSON; a failure is States.TaskFailed, with the description as text for its cause.
    """
    parent = request.context.get("parent") or {}
    if not parent.get("wait"):
        return None
    execution_id, token = str(parent["execution_id"]), str(parent["token"])
    about = _description(request, workflow_name, input_, change)
    if change.status == ExecutionStatus.SUCCEEDED:
        about |= {"Output": change.result, "OutputDetails": {"Included": True}}
        return TaskCompletion(execution_id, token, "succeeded", change.at, output=about)
    error = change.error or {}
    about |= {"Error": error.get("name", ""), "Cause": error.get("cause", "")}
    cause = orjson.dumps({**about, "Input": orjson.dumps(input_).decode()}).decode()
    return TaskCompletion(execution_id, token, "failed", change.at, error=TASK_FAILED, cause=cause)


def _description(request: StartRequest, workflow_name: str, input_: Any, change: StatusChange) -> dict[str, Any]:
    """As DescribeExecution has it; times are milliseconds since 1970."""
    arn = "arn:aws:states:local:000000000000"
    return {
        "ExecutionArn": f"{arn}:execution:{workflow_name}:{request.execution_id}",
        "Input": input_,
        "InputDetails": {"Included": True},
        "Name": request.execution_id,
        "StartDate": int(request.created_at.timestamp() * 1000),
        "StateMachineArn": f"{arn}:stateMachine:{workflow_name}",
        "Status": _STATUS.get(change.status, change.status.value.upper()),
        "StopDate": int(change.at.timestamp() * 1000),
    }
