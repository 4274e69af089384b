"""Executions tell on the bus that they started and how they ended, so that workflows can follow one another."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.clock import iso
from shared.executions.records import Execution, ExecutionStatus
from shared.ids import derived_id
from shared.triggers.events.records import ACCOUNT, OWN_SOURCES, REGION, Event, made
from shared.triggers.records import Trigger

SOURCE = f"{OWN_SOURCES}executions"
TRIGGERS = f"{OWN_SOURCES}triggers"

MAX_OUTPUT_BYTES = 64 * 1024
"""A longer output is left out, and `output_included` is false; it is read from the execution."""


@dataclass(frozen=True, slots=True)
class Change:
    """An execution that began or ended, as the outbox has it."""

    execution: Execution
    """As it is now; it may have been redriven since."""
    status: ExecutionStatus
    """`running` where it began."""
    at: datetime
    depth: int
    """How many executions, each started by an event of the one before, led to this one."""


def event_of_change(change: Change, now: datetime) -> Event:
    """The event of a change: `execution.started`, `execution.succeeded`, …; always of the same id."""
    execution, ended = change.execution, change.status.terminal
    name = change.status.value if ended else "started"
    detail: dict[str, Any] = {
        "execution_id": execution.id,
        "workflow_id": execution.workflow_id,
        "workflow": execution.workflow_name,
        "version": execution.version,
        "status": change.status.value,
        "trigger": execution.context.get("trigger") or {},
        "correlation_id": execution.context.get("correlation_id", execution.id),
        "created_at": iso(execution.created_at),
        "started_at": iso(execution.started_at) if execution.started_at else None,
        "depth": change.depth,
    }
    if parent := execution.context.get("parent"):
        detail["parent_execution_id"] = parent["execution_id"]
    if ended:
        detail |= {"completed_at": iso(change.at), **_result(change)}
    return made(
        project_id=execution.project_id,
        event_id=derived_id(execution.id, f"{name} {iso(change.at)}" if ended else name),
        source=SOURCE,
        detail_type=f"execution.{name}",
        detail=detail,
        at=change.at,
        now=now,
        resources=[f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{execution.workflow_name}:{execution.id}"],
        depth=change.depth,
    )


def event_of_pause(trigger: Trigger, reason: str, now: datetime) -> Event:
    """`trigger.paused`: a trigger failed so often in a row that it was switched off at `now`."""
    return made(
        project_id=trigger.project_id,
        event_id=derived_id(trigger.id, f"paused {iso(now)}"),
        source=TRIGGERS,
        detail_type="trigger.paused",
        detail={
            "trigger_id": trigger.id,
            "workflow_id": trigger.workflow_id,
            "type": trigger.type.value,
            "reason": reason,
        },
        at=now,
        now=now,
    )


def _result(change: Change) -> dict[str, Any]:
    execution = change.execution
    if execution.status is not change.status:  # redriven since
        return {"output_included": False}
    if change.status is not ExecutionStatus.SUCCEEDED:
        return {"error": execution.error}
    if len(orjson.dumps(execution.result)) > MAX_OUTPUT_BYTES:
        return {"output_included": False}
    return {"output": execution.result, "output_included": True}
