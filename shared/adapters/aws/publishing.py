"""Publishing a workflow's version: it becomes a version of its machine, and an alias that stands for that.

Step Functions takes a hundred of these calls in a row and then one a second, of each operation and for the whole
account. Every publication therefore waits for its turn; see docs/adr/0020-publications-queue-in-virtual-time.md.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html,
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html,
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-api-action-throttling-general
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import client, code_of
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.turns import Turn
from shared.ports.publishing import PublishQueue

MAX_ALIASES = 100


class Callee(Protocol):
    """The version of a workflow that another one runs."""

    @property
    def workflow_id(self) -> str: ...

    @property
    def version(self) -> int: ...


class StepFunctionsPublisher:
    """Makes versions of workflows startable."""

    def __init__(self, machines: Machines, settings: AwsSettings, queue: PublishQueue) -> None:
        self._machines = machines
        self._settings = settings
        self._queue = queue
        self._client = client("stepfunctions")

    async def reserve(self, version: int) -> Turn:
        """The turn of a publication that follows. Raises PublishingBusy; nothing is reserved then."""
        turn = Turn(self._queue)
        await turn.take("create_state_machine" if version == 1 else "update_state_machine", _ALIAS)
        return turn

    async def publish(
        self,
        workflow_id: str,
        version: int,
        asl: dict[str, Any],
        callees: Mapping[str, Callee],
        turn: Turn | None = None,
    ) -> None:
        """Makes the machine startable as `version`; again for what is published already changes nothing.

        Express workflows run as STANDARD ones: an EXPRESS machine has no history to read and no events of its end.

        Raises:
            PublishingBusy: too many publications; what this one has done already, the next try finds done.
        """
        options = self._options(version, asl, callees)
        arn = self._machines.arn_of(workflow_id)
        digest = hashlib.sha256(orjson.dumps(options)).hexdigest()
        if turn is None and await self._queue.published(arn) == digest:
            return
        turn = turn or await self.reserve(version)
        made = await (self._created if version == 1 else self._updated)(turn, arn, options)
        if "stateMachineVersionArn" not in made:  # nothing changed, so creating it again made no version
            made = await turn.call(self._client.publish_state_machine_version, stateMachineArn=arn)
        await self._point(turn, arn, f"v{version}", made["stateMachineVersionArn"])
        if version > MAX_ALIASES:
            oldest = f"{arn}:v{version - MAX_ALIASES}"
            await turn.call(self._client.delete_state_machine_alias, stateMachineAliasArn=oldest)
        await self._queue.remember(arn, digest)

    def _options(self, version: int, asl: dict[str, Any], callees: Mapping[str, Callee]) -> dict[str, Any]:
        group = f"{self._settings.machine_log_group_arn}:*"
        return {
            "definition": self._resolved(asl, callees),
            "roleArn": self._settings.machine_role_arn,
            "publish": True,
            "versionDescription": f"workflow version {version}",
            "tracingConfiguration": {"enabled": True},
            "loggingConfiguration": {
                "level": "ERROR",
                "includeExecutionData": False,
                "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
            },
        }

    async def _created(self, turn: Turn, arn: str, options: dict[str, Any]) -> dict[str, Any]:
        create, name = self._client.create_state_machine, arn.rpartition(":")[2]
        try:
            return await turn.call(create, name=name, type="STANDARD", **options)
        except ClientError as error:
            if code_of(error) not in ("StateMachineAlreadyExists", "ConflictException"):
                raise
        return await turn.call(self._client.update_state_machine, stateMachineArn=arn, **options)

    async def _updated(self, turn: Turn, arn: str, options: dict[str, Any]) -> dict[str, Any]:
        try:
            return await turn.call(self._client.update_state_machine, stateMachineArn=arn, **options)
        except ClientError as error:
            if code_of(error) != "StateMachineDoesNotExist":  # no version before this one was published
                raise
        return await self._created(turn, arn, options)

    async def _point(self, turn: Turn, machine: str, alias: str, version: str) -> None:
        routing = [{"stateMachineVersionArn": version, "weight": 100}]
        try:
            await turn.call(self._client.create_state_machine_alias, name=alias, routingConfiguration=routing)
        except ClientError as error:
            if code_of(error) != "ConflictException":
                raise
            arn = f"{machine}:{alias}"
            update = self._client.update_state_machine_alias
            await turn.call(update, stateMachineAliasArn=arn, routingConfiguration=routing)

    def _resolved(self, asl: dict[str, Any], callees: Mapping[str, Callee]) -> str:
        """The definition as text, with the ARNs of what is deployed; see statemachines/compiler/subworkflows.py."""
        text = orjson.dumps(asl).decode()
        for name, callee in callees.items():
            machine = f"{self._machines.arn_of(callee.workflow_id)}:v{callee.version}"
            text = text.replace(f"${{StateMachineArn:{name}}}", machine)
            text = text.replace(f"${{WorkflowId:{name}}}", callee.workflow_id)
            text = text.replace(f'"${{WorkflowVersion:{name}}}"', str(callee.version))
        return self._settings.resolved(text)


_ALIAS = "create_state_machine_alias"
