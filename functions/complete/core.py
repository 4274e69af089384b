"""From the end of a state machine to the end of its execution, and to the event that tells of it on the bus."""

from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from shared.clock import Clock
from shared.executions.records import ExecutionStatus, StatusChange
from shared.ports import ExecutionStore, Journal
from shared.ports.events import EventBus
from shared.triggers.events.lifecycle import Change, event_of_change

STATUS = {
    "SUCCEEDED": ExecutionStatus.SUCCEEDED,
    "FAILED": ExecutionStatus.FAILED,
    "TIMED_OUT": ExecutionStatus.TIMED_OUT,
    "ABORTED": ExecutionStatus.CANCELLED,
}
_NAMED = {ExecutionStatus.TIMED_OUT: "States.Timeout"}


class Describer(Protocol):
    async def describe(self, execution_arn: str) -> dict[str, Any]:
        """What DescribeExecution says."""


@dataclass(frozen=True, slots=True)
class CompleteDeps:
    machines: Describer
    journal: Journal
    executions: ExecutionStore
    bus: EventBus
    clock: Clock


async def complete(event: dict[str, Any], deps: CompleteDeps) -> None:
    """Records the end that an event of the type `Step Functions Execution Status Change` tells of, and publishes it as
    `execution.succeeded`, `execution.failed`, …. Again changes nothing: an execution keeps its first end, whose event
    always has the same id.

    The execution is asked for what the event may leave out: payloads above 248 KiB.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html

    Raises:
        StoreUnavailable: the database, Step Functions or the bus does not answer; the event comes again.
    """
    found = await deps.machines.describe(event["detail"]["executionArn"])
    status = STATUS.get(found["status"])
    if status is None:  # an event of a status that is no end
        return
    started = orjson.loads(found["input"])["execution"]
    await deps.journal.write(started["id"], started["project_id"], (), _change(status, found))
    await _publish(started["id"], started["project_id"], deps)


async def _publish(execution_id: str, project_id: str, deps: CompleteDeps) -> None:
    execution = await deps.executions.get(project_id, execution_id)
    if execution is None or execution.completed_at is None:  # deleted since
        return
    depth = int((execution.context.get("trigger") or {}).get("depth", 0))
    change = Change(execution, execution.status, execution.completed_at, depth)
    await deps.bus.publish(event_of_change(change, deps.clock.now()))


def _change(status: ExecutionStatus, found: dict[str, Any]) -> StatusChange:
    at = found["stopDate"]
    if status is ExecutionStatus.SUCCEEDED:
        return StatusChange(status, at, result=orjson.loads(found["output"]))
    if status is ExecutionStatus.CANCELLED:
        return StatusChange(status, at)
    name = found.get("error") or _NAMED.get(status, "States.Runtime")
    return StatusChange(status, at, error={"name": name, "cause": found.get("cause") or ""})
