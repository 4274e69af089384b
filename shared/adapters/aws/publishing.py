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

    async def reserve(self, version: int, *, express: bool = False) -> Turn:
        """The turn of a publication that follows, on both machines where it is `express`. Raises PublishingBusy."""
        turn = Turn(self._queue)
        for _ in range(2 if express else 1):
            await turn.take("create_state_machine" if version == 1 else "update_state_machine", _ALIAS)
        return turn

    async def publish(
        self,
        workflow_id: str,
        version: int,
        asl: dict[str, Any],
        callees: Mapping[str, Callee],
        turn: Turn | None = None,
        *,
        express: bool = False,
    ) -> None:
        """Makes the machine startable as `version`; again for what is published already changes nothing.

        An `express` version is startable on both machines: as a nested execution it runs on the STANDARD one.

        Raises:
            PublishingBusy: too many publications; what this one has done already, the next try finds done.
        """
        shared = self._options(version, asl, callees)
        wanted = {self._machines.arn_of(workflow_id): shared | _standard(self._settings)}
        if express:
            wanted[self._machines.arn_of(workflow_id, express=True)] = shared | _express(self._settings)
        digest = hashlib.sha256(orjson.dumps(wanted)).hexdigest()
        arn = self._machines.arn_of(workflow_id)
        if turn is None and await self._queue.published(arn) == digest:
            return
        turn = turn or await self.reserve(version, express=express)
        if version > MAX_ALIASES:
            await self._forget(turn, workflow_id, version - MAX_ALIASES)
        for machine, options in wanted.items():
            await self._startable(turn, machine, version, options)
        await self._queue.remember(arn, digest)

    async def _startable(self, turn: Turn, arn: str, version: int, options: dict[str, Any]) -> None:
        made = await (self._created if version == 1 else self._updated)(turn, arn, options)
        if "stateMachineVersionArn" not in made:  # nothing changed, so creating it again made no version
            made = await turn.call(self._client.publish_state_machine_version, stateMachineArn=arn)
        await self._point(turn, arn, f"v{version}", made["stateMachineVersionArn"])

    async def _forget(self, turn: Turn, workflow_id: str, version: int) -> None:
        """Removes the aliases of an old version, which may not have been express; Step Functions keeps a hundred of a
        machine, so that it comes before the new one."""
        for express in (False, True):
            alias = f"{self._machines.arn_of(workflow_id, express=express)}:v{version}"
            try:
                await turn.call(self._client.delete_state_machine_alias, stateMachineAliasArn=alias)
            except ClientError as error:
                if code_of(error) != "ResourceNotFound":
                    raise

    def _options(self, version: int, asl: dict[str, Any], callees: Mapping[str, Callee]) -> dict[str, Any]:
        return {
            "definition": self._resolved(asl, callees),
            "roleArn": self._settings.machine_role_arn,
            "publish": True,
            "versionDescription": f"workflow version {version}",
            "tracingConfiguration": {"enabled": True},
            "tags": [{"key": "millrace", "value": self._settings.environment}],
        }

    async def _created(self, turn: Turn, arn: str, options: dict[str, Any]) -> dict[str, Any]:
        create, name = self._client.create_state_machine, arn.rpartition(":")[2]
        try:
            return await turn.call(create, name=name, **options)
        except ClientError as error:
            if code_of(error) not in ("StateMachineAlreadyExists", "ConflictException"):
                raise
        return await turn.call(self._client.update_state_machine, stateMachineArn=arn, **_changeable(options))

    async def _updated(self, turn: Turn, arn: str, options: dict[str, Any]) -> dict[str, Any]:
        try:
            return await turn.call(self._client.update_state_machine, stateMachineArn=arn, **_changeable(options))
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


def _standard(settings: AwsSettings) -> dict[str, Any]:
    """Of a STANDARD machine, whose history Step Functions keeps: errors are logged, without payloads."""
    return {"type": "STANDARD", "loggingConfiguration": _logging(settings.machine_log_group_arn, everything=False)}


def _express(settings: AwsSettings) -> dict[str, Any]:
    """Of an EXPRESS one, whose log is its history."""
    return {"type": "EXPRESS", "loggingConfiguration": _logging(settings.express_log_group_arn, everything=True)}


def _logging(group_arn: str, *, everything: bool) -> dict[str, Any]:
    return {
        "level": "ALL" if everything else "ERROR",
        "includeExecutionData": everything,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": f"{group_arn}:*"}}],
    }


def _changeable(options: dict[str, Any]) -> dict[str, Any]:
    """A machine keeps its type, and UpdateStateMachine takes no tags."""
    return {name: value for name, value in options.items() if name not in ("type", "tags")}


_ALIAS = "create_state_machine_alias"
