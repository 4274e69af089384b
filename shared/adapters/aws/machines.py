"""State machines of published workflows: one machine a workflow, one version and one alias a version of it.

A version whose mode is `express` has a second one of the type EXPRESS, since a machine cannot change its type. Its
executions have no history to read, no end to hear of and no names that are theirs alone: express_logs.py.

The alias `v3` stands for version 3 of the workflow whatever number Step Functions gave it, so that nothing has to be
looked up to start one. Step Functions keeps a hundred aliases of a machine; the oldest goes when a new one comes.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html,
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html
"""

from collections.abc import Sequence
from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.adapters.aws.settings import AwsSettings
from shared.errors import Conflict
from shared.executions.records import HistoryEvent

_PAGE = 1000
_EXPRESS = "-express"
"""Behind the name of a workflow's machine: the one of the type EXPRESS."""


class Machines:
    """Starts, stops and reads executions of state machines."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._client = client("stepfunctions")
        _, partition, _, _, account, *_ = settings.machine_role_arn.split(":")
        self._arn = f"arn:{partition}:states:{self._client.meta.region_name}:{account}"

    async def start(
        self, workflow_id: str, version: int, execution_id: str, input_: dict[str, Any], *, express: bool = False
    ) -> None:
        """Starts an execution of this name; one that was started before is left as it is, running or ended. An
        `express` one is started once more: EXPRESS machines keep no names."""
        try:
            await call(
                self._client.start_execution,
                stateMachineArn=f"{self.arn_of(workflow_id, express=express)}:v{version}",
                name=execution_id,
                input=orjson.dumps(input_).decode(),
            )
        except ClientError as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise

    async def stop(self, workflow_id: str, execution_id: str, cause: str) -> None:
        """Aborts an execution; one that has ended, or was never started, is left as it is."""
        try:
            await call(
                self._client.stop_execution, executionArn=self._execution(workflow_id, execution_id), cause=cause
            )
        except ClientError as error:
            if code_of(error) not in ("ExecutionDoesNotExist", "ValidationException"):
                raise

    async def redrive(self, workflow_id: str, execution_id: str, token: str) -> None:
        """Lets a failed execution go on; the same token within 15 minutes changes nothing.

        Raises:
            Conflict: it was never started, has ended well, runs, or ended more than 14 days ago.
        """
        arn = self._execution(workflow_id, execution_id)
        try:
            await call(self._client.redrive_execution, executionArn=arn, clientToken=token)
        except ClientError as error:
            if code_of(error) not in ("ExecutionNotRedrivable", "ExecutionDoesNotExist", "ExecutionLimitExceeded"):
                raise
            raise Conflict(
                f"Step Functions does not go on with the execution '{execution_id}' ({code_of(error)}). Start it again "
                "with the same input."
            ) from None

    async def describe(self, execution_arn: str) -> dict[str, Any]:
        """What DescribeExecution says."""
        return await call(self._client.describe_execution, executionArn=execution_arn)

    async def find(self, workflow_id: str, execution_id: str) -> dict[str, Any] | None:
        """What DescribeExecution says of a durable execution; None where Step Functions does not know it: it was never
        started, ended more than 90 days ago, or its machine was deleted."""
        try:
            return await self.describe(self._execution(workflow_id, execution_id))
        except ClientError as error:
            if code_of(error) != "ExecutionDoesNotExist":
                raise
            return None

    async def history(
        self, workflow_id: str, execution_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[HistoryEvent]:
        """Events with an id above `after`, in order; none where the execution was never started, or ended so long ago
        (90 days) that Step Functions forgot it."""
        found: list[HistoryEvent] = []
        page: dict[str, Any] = {"executionArn": self._execution(workflow_id, execution_id), "maxResults": _PAGE}
        while limit is None or len(found) < limit:
            try:
                answer = await call(self._client.get_execution_history, **page)
            except ClientError as error:
                if code_of(error) == "ExecutionDoesNotExist":
                    return found
                raise
            found += [event_of(each) for each in answer["events"] if each["id"] > after]
            if not answer.get("nextToken"):
                break
            page["nextToken"] = answer["nextToken"]
        return found[:limit]

    def arn_of(self, workflow_id: str, *, express: bool = False) -> str:
        """The machine of a workflow, whether it is there or not."""
        name = f"{self._settings.machine_prefix}-{workflow_id}{_EXPRESS if express else ''}"
        return f"{self._arn}:stateMachine:{name}"

    def _execution(self, workflow_id: str, execution_id: str) -> str:
        return f"{self._arn}:execution:{self._settings.machine_prefix}-{workflow_id}:{execution_id}"


def event_of(event: dict[str, Any]) -> HistoryEvent:
    """One event of GetExecutionHistory as the projector reads it."""
    details: dict[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return HistoryEvent(event["id"], event.get("previousEventId", 0), event["type"], event["timestamp"], details)
