"""From the end of a state machine to the end of its execution."""

from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from shared.executions.records import ExecutionStatus, StatusChange
from shared.ports import Journal

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


async def complete(event: dict[str, Any], deps: CompleteDeps) -> None:
    """Records the end that an event of the type `Step Functions Execution Status Change` tells of; again changes
    nothing, since an execution keeps its first end.

    The execution is asked for what the event may leave out: payloads above 248 KiB.
    Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html

    Raises:
        StoreUnavailable: the database or Step Functions does not answer; the event comes again.
    """
    found = await deps.machines.describe(event["detail"]["executionArn"])
    status = STATUS.get(found["status"])
    if status is None:  # an event of a status that is no end
        return
    started = orjson.loads(found["input"])["execution"]
    await deps.journal.write(started["id"], started["project_id"], (), _change(status, found))


def _change(status: ExecutionStatus, found: dict[str, Any]) -> StatusChange:
    at = found["stopDate"]
    if status is ExecutionStatus.SUCCEEDED:
        return StatusChange(status, at, result=orjson.loads(found["output"]))
    if status is ExecutionStatus.CANCELLED:
        return StatusChange(status, at)
    name = found.get("error") or _NAMED.get(status, "States.Runtime")
    return StatusChange(status, at, error={"name": name, "cause": found.get("cause") or ""})
