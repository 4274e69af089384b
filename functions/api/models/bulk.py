"""Bulk runs, as the API shows them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from functions.api.models.common import DiagnosticOut, Timestamp
from functions.api.models.executions import Failure
from shared.bulk.records import BulkRun
from shared.executions.node_runs import milliseconds
from shared.executions.records import ExecutionStatus
from shared.ports import BulkItem


class BulkStatus(StrEnum):
    """`cancelling` while executions of a cancelled one have not ended yet."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"


class BulkOut(BaseModel):
    """One bulk run and how far it is."""

    id: str
    workflow_id: str
    version: int
    status: BulkStatus
    total: int = Field(examples=[100_000], description="Inputs.")
    submitted: int = Field(examples=[42_000], description="Inputs that were handed to the queue.")
    counts: dict[ExecutionStatus, int] = Field(description="Executions by status.")
    max_in_flight: int
    created_at: Timestamp
    cancel_requested_at: Timestamp | None

    @classmethod
    def of(cls, bulk: BulkRun, counts: Mapping[ExecutionStatus, int]) -> "BulkOut":
        """The stored run and what was counted of it."""
        return cls(
            id=bulk.id,
            workflow_id=bulk.workflow_id,
            version=bulk.version,
            status=_status(bulk, counts),
            total=bulk.total,
            submitted=max(bulk.submitted, sum(counts.values())),
            counts={status: counts.get(status, 0) for status in ExecutionStatus},
            max_in_flight=bulk.max_in_flight,
            created_at=bulk.created_at,
            cancel_requested_at=bulk.cancel_requested_at,
        )


class BulkSummary(BaseModel):
    """A bulk run, as lists have it."""

    id: str
    workflow_id: str
    version: int
    total: int
    submitted: int
    created_at: Timestamp
    cancel_requested_at: Timestamp | None

    @classmethod
    def of(cls, bulk: BulkRun) -> "BulkSummary":
        """The stored run."""
        return cls.model_validate(bulk, from_attributes=True)


class BulkCheck(BaseModel):
    """What starting a bulk run with these inputs would find."""

    valid: int = Field(description="Inputs that would start.")
    invalid: int
    diagnostics: list[DiagnosticOut] = Field(description="Of the first inputs that would not.")


class BulkItemOut(BaseModel):
    """One input's execution."""

    index: int = Field(description="The place of the input, counted from 0.")
    execution_id: str
    status: ExecutionStatus
    output: Any
    error: Failure | None
    duration_ms: float | None

    @classmethod
    def of(cls, bulk: BulkRun, item: BulkItem) -> "BulkItemOut":
        """The execution under the place of its input."""
        return cls(
            index=bulk.index_of(item.execution_id),
            execution_id=item.execution_id,
            status=item.status,
            output=item.result,
            error=None if item.error is None else Failure(**item.error),
            duration_ms=milliseconds(item.started_at, item.completed_at),
        )


class BulkRetried(BaseModel):
    """The answer to a retry."""

    id: str
    redriven: int = Field(description="Executions that go on from where they failed.")


def _status(bulk: BulkRun, counts: Mapping[ExecutionStatus, int]) -> BulkStatus:
    unfinished = sum(count for status, count in counts.items() if not status.terminal)
    if bulk.cancel_requested_at is not None:
        return BulkStatus.CANCELLED if bulk.closed and not unfinished else BulkStatus.CANCELLING
    return BulkStatus.COMPLETED if bulk.closed and not unfinished else BulkStatus.RUNNING
