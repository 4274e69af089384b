"""From the end of a state machine to the end of its execution, and to the event that tells of it on the bus."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from functions.complete.told import told_by
from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.executions.ending import wake_those_that_wait
from shared.executions.progress import Standing, Told
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent, StartRequest, StatusChange, Watch
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

    async def find(self, workflow_id: str, execution_id: str) -> dict[str, Any] | None:
        """What it says of a durable execution; None where Step Functions does not know it."""


class Progress(Protocol):
    async def standing(self, project_id: str, workflow_id: str, execution_id: str) -> Standing | None:
        """How it is with the execution; None of a workflow that is not there."""

    async def exists(self, project_id: str, execution_id: str) -> bool:
        """Whether the execution has a row."""

    async def redriven(self, project_id: str, execution_id: str, at: datetime) -> None:
        """Says of an execution that ended before `at` that it runs."""

    async def ended(self, project_id: str, execution_id: str) -> Told | None:
        """The execution once it has ended."""


class Histories(Protocol):
    async def write(self, execution_id: str, arn: str, events: Sequence[HistoryEvent]) -> str | None:
        """Keeps events of a run of an express execution, again changes nothing; the execution's project. None where
        another run of it was heard of first, or there is no such execution."""


class Watcher(Protocol):
    async def later(self, watch: Watch) -> None:
        """Has an express execution looked at later."""


@dataclass(frozen=True, slots=True)
class CompleteDeps:
    machines: Describer
    journal: Journal
    rows: StartQueue
    progress: Progress
    histories: Histories
    watches: Watcher
    bus: EventBus
    wakes: Wakes
    clock: Clock


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an execution, and how long it took."""

    status: ExecutionStatus
    milliseconds: float


async def complete(event: dict[str, Any], deps: CompleteDeps, *, again: bool = False) -> Ended | None:
    """Records the end that an event of the type `Step Functions Execution Status Change` tells of, wakes those that
    wait for it, and publishes it as `execution.succeeded`, `execution.failed`, …. Again changes nothing: an execution
    keeps its first end, whose event always has the same id. None is what is no end, and the end of an item of a
    distributed Map, which is an execution of the machine `<machine>/<label>` and has no row.

    The execution is asked about where the event leaves something out, and where a failure was told before (`again`):
    it may have been let go on in between.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html

    Raises:
        StoreUnavailable: the database, Step Functions, a queue or the bus does not answer, or Step Functions has yet to
            hear of the end itself: DescribeExecution is eventually consistent. The event comes again.
    """
    detail = event["detail"]
    if "/" in detail["stateMachineArn"] or detail["status"] not in STATUS:
        return None
    stays = detail["status"] == "SUCCEEDED" or not again
    found = told_by(detail) if stays else None
    recorded = await record(found or await deps.machines.describe(detail["executionArn"]), deps)
    if recorded is None and not again:
        raise StoreUnavailable("Step Functions told of an end, and says that the execution runs. Try again.")
    return recorded


async def record(found: Mapping[str, Any], deps: CompleteDeps) -> Ended | None:
    """Records the end of the execution of which this is known, in the words of DescribeExecution. None where it runs.
    Whoever let a failed one go on may have died before its row said so: then the end before it is forgotten first.

    Raises:
        StoreUnavailable: as `complete` does.
    """
    status = STATUS.get(found["status"])
    if status is None:
        return None
    given = orjson.loads(found["input"])
    started = given["execution"]
    if not await deps.progress.exists(started["project_id"], started["id"]):
        await _take_in(given, found, deps)
    if at := found.get("redriveDate"):
        await deps.progress.redriven(started["project_id"], started["id"], at)
    change = change_of(status, found["stopDate"], found)
    await end(started["id"], started["project_id"], change, deps, began=found["startDate"])
    return Ended(status, (found["stopDate"] - found["startDate"]).total_seconds() * 1_000)


async def end(
    execution_id: str, project_id: str, change: StatusChange, deps: CompleteDeps, *, began: datetime | None = None
) -> Execution | None:
    """Records an end, and when it `began` where that is known: together, so that it is one statement, since `dispatch`
    may not have come to write it. Then tells the end of the execution, which is the first that was recorded.

    Returns:
        the execution, or None where it is not there.

    Raises:
        StoreUnavailable: the database, a queue or the bus does not answer; again changes nothing.
    """
    changes = [change] if began is None else [StatusChange(ExecutionStatus.RUNNING, began), change]
    await asyncio.gather(*(deps.journal.write(execution_id, project_id, (), each) for each in changes))
    told = await deps.progress.ended(project_id, execution_id)
    if told is None:  # deleted since
        return None
    await wake_those_that_wait(told, deps.wakes)
    await _publish(told, deps)
    return told.execution


def ended(execution: Execution | None) -> Ended | None:
    """What became of an execution that may not be there."""
    if execution is None or execution.completed_at is None:
        return None
    began = execution.started_at or execution.created_at
    return Ended(execution.status, (execution.completed_at - began).total_seconds() * 1_000)


async def _publish(told: Told, deps: CompleteDeps) -> None:
    execution = told.execution
    if told.depth is None or execution.completed_at is None:
        log.info("an end is not published: a loop through it could not be told")
        return
    change = Change(execution, execution.status, execution.completed_at, told.depth)
    await deps.bus.publish(event_of_change(change, deps.clock.now()))


async def _take_in(given: dict[str, Any], found: Mapping[str, Any], deps: CompleteDeps) -> None:
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


def change_of(status: ExecutionStatus, at: datetime, found: Mapping[str, Any]) -> StatusChange:
    """An end, of which `found` says `output`, or `error` and `cause`, as Step Functions does."""
    if status is ExecutionStatus.SUCCEEDED:
        return StatusChange(status, at, result=orjson.loads(found["output"]))
    if status is ExecutionStatus.CANCELLED:
        return StatusChange(status, at)
    name = found.get("error") or _NAMED.get(status, "States.Runtime")
    return StatusChange(status, at, error={"name": name, "cause": found.get("cause") or ""})
