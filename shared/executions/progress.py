"""What whoever starts and ends executions asks about them."""

from dataclasses import dataclass
from datetime import datetime

from shared.executions.records import Execution, ExecutionStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with an execution that is asked for."""

    workflow_name: str
    status: ExecutionStatus | None
    """None where it has no row."""
    may_begin: bool
    """False while a limit holds it up, and where it has no row."""
    listened: bool
    """Whether a trigger of the project listens to events."""
    mode: str | None
    """`durable` or `express`, as its version is; None where it has no row."""
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """An execution that began or ended, without its input, as its event tells of it."""

    execution: Execution
    depth: int | None
    """How many executions, each started by an event of the one before, led to it or to those that it is nested in; None
    where one of those has no row, or there are more than 32."""
    limited: bool
    """Whether others may wait for its end."""
    queued_for: bool
    """Whether fire times of the schedule that started it may wait for its end."""
