"""From the end of a state machine to the end of its execution, and to the event that tells of it on the bus."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from shared.clock import Clock
from shared.executions.ending import wake_those_that_wait
from shared.executions.progress import Told
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange
from shared.ports import Journal, StartQueue, Wakes
from shared.ports.events import EventBus
from shared.triggers.events.lifecycle import Change, event_of_change

log = logging.getLogger(__name__)

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


class Progress(Protocol):
    async def exists(self, project_id: str, execution_id: str) -> bool:
        """Whether the execution has a row."""

    async def ended(self, project_id: str, execution_id: str) -> Told | None:
        """The execution once it has ended."""


@dataclass(frozen=True, slots=True)
class CompleteDeps:
    machines: Describer
    journal: Journal
    rows: StartQueue
    progress: Progress
    bus: EventBus
    wakes: Wakes
    clock: Clock


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an execution, and how long it took."""

    status: ExecutionStatus
    milliseconds: float


async def complete(event: dict[str, Any], deps: CompleteDeps) -> Ended | None:
    """Records the end that an event of the type `Step Functions Execution Status Change` tells of, wakes those that
    wait for it, and publishes it as `execution.succeeded`, `execution.failed`, …. Again changes nothing: an execution
    keeps its first end, whose event always has the same id. None is what is no end.

    The execution is asked for what the event may leave out: payloads above 248 KiB.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html

    Raises:
        StoreUnavailable: the database, Step Functions, a queue or the bus does not answer; the event comes again.
    """
    found = await deps.machines.describe(event["detail"]["executionArn"])
    status = STATUS.get(found["status"])
    if status is None:
        return None
    given = orjson.loads(found["input"])
    started = given["execution"]
    if not await deps.progress.exists(started["project_id"], started["id"]):
        await _take_in(given, found, deps)
    await _record(started["id"], started["project_id"], found, deps)
    await _tell(started["id"], started["project_id"], deps)
    return Ended(status, (found["stopDate"] - found["startDate"]).total_seconds() * 1_000)


async def _take_in(given: dict[str, Any], found: dict[str, Any], deps: CompleteDeps) -> None:
    """Writes the row of a nested execution, which Step Functions started by itself."""
    started = given["execution"]
    trigger = started["trigger"]
    request = StartRequest(
        execution_id=started["id"],
        project_id=started["project_id"],
        workflow_id=started["workflow_id"],
        version=started["version"],
        input=given.get("input"),
        context={
            "trigger": trigger,
            "correlation_id": started["correlation_id"],
            "parent": {"execution_id": trigger["parent"]["execution_id"]},
        },
        created_at=found["startDate"],
    )
    await deps.rows.submit(request)


async def _record(execution_id: str, project_id: str, found: dict[str, Any], deps: CompleteDeps) -> None:
    """Together, so that it is one statement: `dispatch` may not have come to write when it began."""
    changes = (StatusChange(ExecutionStatus.RUNNING, found["startDate"]), _change(STATUS[found["status"]], found))
    await asyncio.gather(*(deps.journal.write(execution_id, project_id, (), change) for change in changes))


async def _tell(execution_id: str, project_id: str, deps: CompleteDeps) -> None:
    told = await deps.progress.ended(project_id, execution_id)
    if told is None:  # deleted since
        return
    await wake_those_that_wait(told, deps.wakes)
    execution = told.execution
    if told.depth is None or execution.completed_at is None:
        log.info("an end is not published: a loop through it could not be told")
        return
    change = Change(execution, execution.status, execution.completed_at, told.depth)
    await deps.bus.publish(event_of_change(change, deps.clock.now()))


def _change(status: ExecutionStatus, found: dict[str, Any]) -> StatusChange:
    at = found["stopDate"]
    if status is ExecutionStatus.SUCCEEDED:
        return StatusChange(status, at, result=orjson.loads(found["output"]))
    if status is ExecutionStatus.CANCELLED:
        return StatusChange(status, at)
    name = found.get("error") or _NAMED.get(status, "States.Runtime")
    return StatusChange(status, at, error={"name": name, "cause": found.get("cause") or ""})
