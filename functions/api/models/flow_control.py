"""What the simulation of flow control takes and shows."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from functions.api.models.common import Body, Timestamp
from shared.workflow.flow_control import FlowControl

MAX_ARRIVALS = 1_000


class SimulatedArrivalIn(Body):
    at: AwareDatetime
    input: Any = None
    id: str | None = Field(default=None, max_length=64, description="By default its number, from 1.")
    duration_seconds: float = Field(
        default=1, ge=0, le=86_400, description="How long the execution takes that it starts."
    )


class SimulateFlow(Body):
    """Arrivals on a simulated clock; nothing is started."""

    arrivals: list[SimulatedArrivalIn] = Field(min_length=1, max_length=MAX_ARRIVALS)
    flow_control: FlowControl | None = Field(default=None, description="In place of the workflow's own settings.")


class FlowStep(BaseModel):
    """One thing that happens to one arrival, or to the execution that has its id."""

    at: Timestamp
    key: str
    action: Literal["refused", "held", "merged", "waiting", "begun", "ended", "duplicate", "failed"]
    id: str
    into: str | None = Field(description="The arrival whose execution stands for this one.")
    until: Timestamp | None = Field(
        description="When it is let go or may come again; null where ends of others decide."
    )
    reason: str | None = None


class FlowSummary(BaseModel):
    arrivals: int
    executions: int
    merged: int
    refused: int
    duplicates: int
    failed: int = Field(description="Arrivals on whose input an expression fails.")
    most_running: int = Field(description="Of all keys together.")
    longest_wait_seconds: float = Field(description="From an arrival to the beginning of its execution.")


class SimulatedFlow(BaseModel):
    timeline: list[FlowStep]
    summary: FlowSummary
