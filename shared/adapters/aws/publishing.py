"""Publishing a workflow's version: it becomes a version of its machine, and an alias that stands for that.

Step Functions takes a hundred of these calls in a row and then one a second, of each operation and for the whole
account. Every publication therefore waits for its turn; see docs/adr/0020-publications-queue-in-virtual-time.md.
Sources: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html,
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-alias.html,
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-api-action-throttling-general
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A machine as a version has it."""

    arn: str
    type: str
    options: dict[str, Any]

    @property
    def digest(self) -> str:
        return hashlib.sha256(orjson.dumps(self.options)).hexdigest()


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
        """Makes the machine startable as `version`; again for what is published already changes nothing. An `express`
        version is startable on both machines: as a nested execution it runs on the STANDARD one.

        Raises:
            PublishingBusy: too many publications; what this one has done already, the next try finds done.
        """
        wanted = self._wanted(workflow_id, version, self._resolved(asl, callees), express=express)
        if turn is None:
            wanted = [each for each in wanted if await self._queue.published(each.arn) != each.digest]
        if not wanted:
            return
        turn = turn or await self.reserve(version, express=len(wanted) > 1)
        if version > MAX_ALIASES:
            await self._forget(turn, workflow_id, version - MAX_ALIASES)
        for each in wanted:
            await self._publish(turn, version, each)

    def _wanted(self, workflow_id: str, version: int, definition: str, *, express: bool) -> list[_Wanted]:
        options = {
            "definition": definition,
            "roleArn": self._settings.machine_role_arn,
            "publish": True,
            "versionDescription": f"workflow version {version}",
            "tracingConfiguration": {"enabled": True},
        }
        errors = _logging(self._settings.machine_log_group_arn, everything=False)
        wanted = [_Wanted(self._machines.arn_of(workflow_id), "STANDARD", {**options, "loggingConfiguration": errors})]
        if express:
            all_ = _logging(self._settings.express_log_group_arn, everything=True)
            arn = self._machines.arn_of(workflow_id, express=True)
            wanted.append(_Wanted(arn, "EXPRESS", {**options, "loggingConfiguration": all_}))
        return wanted

    async def _publish(self, turn: Turn, version: int, wanted: _Wanted) -> None:
        made = await (self._created if version == 1 else self._updated)(turn, wanted)
        if "stateMachineVersionArn" not in made:  # nothing changed, so creating it again made no version
            made = await turn.call(self._client.publish_state_machine_version, stateMachineArn=wanted.arn)
        await self._point(turn, wanted.arn, f"v{version}", made["stateMachineVersionArn"])
        await self._queue.remember(wanted.arn, wanted.digest)

    async def _forget(self, turn: Turn, workflow_id: str, version: int) -> None:
        """Removes the aliases of an old version, which may not have been express."""
        for express in (False, True):
            alias = f"{self._machines.arn_of(workflow_id, express=express)}:v{version}"
            try:
                await turn.call(self._client.delete_state_machine_alias, stateMachineAliasArn=alias)
            except ClientError as error:
                if code_of(error) != "ResourceNotFound":
                    raise

    async def _created(self, turn: Turn, wanted: _Wanted) -> dict[str, Any]:
        create, name = self._client.create_state_machine, wanted.arn.rpartition(":")[2]
        try:
            return await turn.call(create, name=name, type=wanted.type, **wanted.options)
        except ClientError as error:
            if code_of(error) not in ("StateMachineAlreadyExists", "ConflictException"):
                raise
        return await turn.call(self._client.update_state_machine, stateMachineArn=wanted.arn, **wanted.options)

    async def _updated(self, turn: Turn, wanted: _Wanted) -> dict[str, Any]:
        try:
            return await turn.call(self._client.update_state_machine, stateMachineArn=wanted.arn, **wanted.options)
        except ClientError as error:
            if code_of(error) != "StateMachineDoesNotExist":  # no version before this one was published
                raise
        return await self._created(turn, wanted)

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


def _logging(group_arn: str, *, everything: bool) -> dict[str, Any]:
    """Where a machine logs: everything, with payloads, or errors without them."""
    return {
        "level": "ALL" if everything else "ERROR",
        "includeExecutionData": everything,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": f"{group_arn}:*"}}],
    }
