"""Stored executions."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Literal


class ExecutionStatus(StrEnum):
    """queued → running → one of the terminal four; a queued one may be cancelled without ever running."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self not in (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)


class Priority(IntEnum):
    """Which of the waiting executions begin first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class FlowTicket:
    """By which an arrival goes through its workflow's flow control; see shared/executions/flow.py."""

    key: str
    control: dict[str, Any]
    """`settings.flow_control` of the version that starts."""
    bytes: int
    """Of the input, as JSON."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a trigger hands over: enough to start, and to start only once."""

    execution_id: str
    project_id: str
    workflow_id: str
    version: int
    input: Any
    context: dict[str, Any]
    """What started it: `{"trigger": {"type", "id"?}, "correlation_id", "delivery_id"?, "parent"?}`; for `parent` see
    shared/executions/nested.py."""
    created_at: datetime
    trigger_id: str | None = None
    idempotency_key: str | None = None
    request_digest: str | None = None
    """SHA-256 of the input, to tell a repeated request from another one under the same key."""
    priority: Priority = Priority.NORMAL
    flow: FlowTicket | None = None
    """None where it begins whatever else arrives."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a start request. With `duplicate` the id is that of the execution that the key started earlier."""

    execution_id: str
    duplicate: bool = False
    admitted: bool = True
    """Whether it may begin now, and has not: else it waits until others of its workflow or project have ended, or was
    taken in before."""


@dataclass(frozen=True, slots=True)
class Execution:
    id: str
    project_id: str
    workflow_id: str
    workflow_name: str
    version: int
    status: ExecutionStatus
    trigger_id: str | None
    context: dict[str, Any]
    input: Any
    result: Any
    error: dict[str, Any] | None
    """`{"name", "cause"}`, as Step Functions reports a failure."""
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One event of an execution's history, in Step Functions' own shape.

    `details` is what AWS puts under `<type>EventDetails` (`{"name", "input"}` of a `TaskStateEntered`, …); payloads in
    it are JSON text, as AWS gives them. Ids count from 1; `previous_id` chains the events of one branch.
    Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
    """

    id: int
    previous_id: int
    type: str
    timestamp: datetime
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A move of an execution to `status`; terminal ones carry `result` or `error`."""

    status: ExecutionStatus
    at: datetime
    result: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TaskCompletion:
    """What somebody outside says about a task that waits for it: a callback by task token, or the end of a nested
    execution. The first that succeeds or fails a token counts; a heartbeat only says that the work goes on."""

    execution_id: str
    """The execution that waits."""
    token: str
    kind: Literal["succeeded", "failed", "heartbeat"]
    at: datetime
    output: Any = None
    error: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """An execution on AWS that is looked at later, in case nobody ever tells of its end."""

    project_id: str
    workflow_id: str
    execution_id: str


def machine_input(request: StartRequest, workflow_name: str) -> dict[str, Any]:
    """The input that every state machine is started with: the author's input, and who and what this execution is.

    Expressions read the first as `$input` and the second as `$execution`.
    """
    return {
        "input": request.input,
        "execution": {
            "id": request.execution_id,
            "project_id": request.project_id,
            "workflow_id": request.workflow_id,
            "workflow": workflow_name,
            "version": request.version,
            "correlation_id": request.context.get("correlation_id", request.execution_id),
            "trigger": request.context.get("trigger", {}),
        },
    }
