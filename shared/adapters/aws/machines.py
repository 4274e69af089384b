"""State machines of published workflows: one machine a workflow, one version and one alias a version of it.

The alias `v3` stands for version 3 of the workflow whatever number Step Functions gave it, so that nothing has to be
looked up to start one. Step Functions keeps a hundred aliases of a machine; the oldest goes when a new one comes.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html,
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.adapters.aws.settings import AwsSettings
from shared.errors import Conflict
from shared.executions.records import HistoryEvent

MAX_ALIASES = 100
_PAGE = 1000


class Callee(Protocol):
    """The version of a workflow that another one runs."""

    @property
    def workflow_id(self) -> str: ...

    @property
    def version(self) -> int: ...


class Machines:
    """Makes, starts, stops and reads state machines."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._client = client("stepfunctions")
        _, partition, _, _, account, *_ = settings.machine_role_arn.split(":")
        self._arn = f"arn:{partition}:states:{self._client.meta.region_name}:{account}"

    async def publish(self, workflow_id: str, version: int, asl: dict[str, Any], callees: Mapping[str, Callee]) -> None:
        """Makes the machine startable as `version`; again for what is published already changes nothing.

        Express workflows run as STANDARD ones: an EXPRESS machine has no history to read and no events of its end.
        """
        definition = self._resolved(asl, callees)
        options = {
            "definition": definition,
            "roleArn": self._settings.machine_role_arn,
            "publish": True,
            "versionDescription": f"workflow version {version}",
            "tracingConfiguration": {"enabled": True},
            "loggingConfiguration": {
                "level": "ERROR",
                "includeExecutionData": False,
                "destinations": [
                    {"cloudWatchLogsLogGroup": {"logGroupArn": f"{self._settings.machine_log_group_arn}:*"}}
                ],
            },
        }
        arn = self._machine(workflow_id)
        try:
            name = arn.rpartition(":")[2]
            made = await call(self._client.create_state_machine, name=name, type="STANDARD", **options)
        except ClientError as error:
            if code_of(error) not in ("StateMachineAlreadyExists", "ConflictException"):
                raise
            made = await call(self._client.update_state_machine, stateMachineArn=arn, **options)
        if "stateMachineVersionArn" not in made:  # nothing changed, so creating it again made no version
            made = await call(self._client.publish_state_machine_version, stateMachineArn=arn)
        await self._point(arn, f"v{version}", made["stateMachineVersionArn"])
        if version > MAX_ALIASES:
            oldest = f"{arn}:v{version - MAX_ALIASES}"
            await call(self._client.delete_state_machine_alias, stateMachineAliasArn=oldest)

    async def start(self, workflow_id: str, version: int, execution_id: str, input_: dict[str, Any]) -> None:
        """Starts an execution of this name; one that was started before is left as it is, running or ended."""
        try:
            await call(
                self._client.start_execution,
                stateMachineArn=f"{self._machine(workflow_id)}:v{version}",
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

    def _resolved(self, asl: dict[str, Any], callees: Mapping[str, Callee]) -> str:
        """The definition as text, with the ARNs of what is deployed; see statemachines/compiler/subworkflows.py."""
        text = orjson.dumps(asl).decode()
        for name, callee in callees.items():
            machine = f"{self._machine(callee.workflow_id)}:v{callee.version}"
            text = text.replace(f"${{StateMachineArn:{name}}}", machine)
            text = text.replace(f"${{WorkflowId:{name}}}", callee.workflow_id)
            text = text.replace(f'"${{WorkflowVersion:{name}}}"', str(callee.version))
        return self._settings.resolved(text)

    async def _point(self, machine: str, alias: str, version: str) -> None:
        routing = [{"stateMachineVersionArn": version, "weight": 100}]
        try:
            await call(self._client.create_state_machine_alias, name=alias, routingConfiguration=routing)
        except ClientError as error:
            if code_of(error) != "ConflictException":
                raise
            arn = f"{machine}:{alias}"
            update = self._client.update_state_machine_alias
            await call(update, stateMachineAliasArn=arn, routingConfiguration=routing)

    def _machine(self, workflow_id: str) -> str:
        return f"{self._arn}:stateMachine:{self._settings.machine_prefix}-{workflow_id}"

    def _execution(self, workflow_id: str, execution_id: str) -> str:
        return f"{self._arn}:execution:{self._settings.machine_prefix}-{workflow_id}:{execution_id}"


def event_of(event: dict[str, Any]) -> HistoryEvent:
    """One event of GetExecutionHistory as the projector reads it."""
    details: dict[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return HistoryEvent(event["id"], event.get("previousEventId", 0), event["type"], event["timestamp"], details)
