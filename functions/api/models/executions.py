"""Executions, as the API shows them."""

from typing import Any

from pydantic import BaseModel, Field

from functions.api.models.common import Timestamp
from shared.executions import node_runs, records
from shared.executions.logs import LogLine
from shared.executions.node_runs import NodeStatus, milliseconds
from shared.executions.records import ExecutionStatus


class Failure(BaseModel):
    """Why something failed, as Step Functions reports it."""

    name: str = Field(examples=["DestinationTimeout"])
    cause: str


class NodeRunOut(BaseModel):
    """One node at work; inside a loop, one for each iteration."""

    node: str = Field(examples=["classify"])
    name: str | None
    type: str = Field(examples=["agent"])
    iteration: int | None
    status: NodeStatus
    attempts: int = Field(examples=[1])
    input: Any = Field(description="Of a node that does work, its config with every expression evaluated.")
    output: Any
    error: Failure | None
    meta: dict[str, Any] | None = Field(examples=[{"model": "demo:triage", "stand_in": True}])
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_ms: float | None = Field(examples=[12.5])

    @classmethod
    def of(cls, run: node_runs.NodeRun) -> "NodeRunOut":
        """The projected run as the API shows it."""
        return cls.model_validate(run, from_attributes=True)


class ExecutionSummary(BaseModel):
    """An execution, as lists have it."""

    id: str = Field(examples=["01923e5a-9d20-7b3c-8e11-6a2f4c8d0e15"])
    project_id: str
    workflow_id: str
    workflow_name: str = Field(examples=["greet"])
    version: int
    status: ExecutionStatus
    trigger: dict[str, Any] | None = Field(examples=[{"type": "webhook", "id": "01923e5a-8b10-7f2a-9c3d-4e5f6a7b8c9d"}])
    correlation_id: str
    error: Failure | None
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_ms: float | None = Field(description="From its start to its end.", examples=[48.2])

    @classmethod
    def of(cls, execution: records.Execution) -> "ExecutionSummary":
        """The stored execution, without its payloads."""
        return cls(**_summary(execution))


class ExecutionOut(ExecutionSummary):
    """One execution with its payloads and what each node did."""

    context: dict[str, Any]
    input: Any
    output: Any
    nodes: list[NodeRunOut]

    @classmethod
    def with_runs(cls, execution: records.Execution, runs: list[node_runs.NodeRun]) -> "ExecutionOut":
        """The stored execution and its projected runs."""
        return cls(
            **_summary(execution),
            context=execution.context,
            input=execution.input,
            output=execution.result,
            nodes=[NodeRunOut.of(run) for run in runs],
        )


class Cancelled(BaseModel):
    """The answer to a cancel. A running execution stops soon after; watch it to know when."""

    execution_id: str
    status: ExecutionStatus
    cancel_requested: bool


class Redriven(BaseModel):
    """The answer to a redrive: the same execution runs on."""

    execution_id: str
    status: ExecutionStatus


class LogLineOut(BaseModel):
    id: str = Field(examples=["00000006.0000"])
    timestamp: Timestamp
    level: str = Field(examples=["info"])
    node: str | None = Field(examples=["classify"])
    message: str = Field(examples=["classify: succeeded in 12 ms"])
    execution_id: str
    correlation_id: str
    data: dict[str, Any] | None

    @classmethod
    def of(cls, line: LogLine, execution: records.Execution) -> "LogLineOut":
        """The line with the ids of the execution that it tells of."""
        return cls(
            id=line.id,
            timestamp=line.timestamp,
            level=line.level.name.lower(),
            node=line.node,
            message=line.message,
            execution_id=execution.id,
            correlation_id=correlation_of(execution),
            data=line.data,
        )


def correlation_of(execution: records.Execution) -> str:
    """The correlation id of the request that started it; its own id where there was none."""
    return str(execution.context.get("correlation_id") or execution.id)


def _summary(execution: records.Execution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "project_id": execution.project_id,
        "workflow_id": execution.workflow_id,
        "workflow_name": execution.workflow_name,
        "version": execution.version,
        "status": execution.status,
        "trigger": execution.context.get("trigger"),
        "correlation_id": correlation_of(execution),
        "error": execution.error,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "completed_at": execution.completed_at,
        "duration_ms": milliseconds(execution.started_at, execution.completed_at),
    }
