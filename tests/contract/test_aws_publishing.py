"""Publishing on Step Functions: a stand-in that keeps machines, versions and aliases within AWS's limits, since the
emulator is too slow for a hundred of them. tests/localstack publishes on the emulator."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.adapters.aws import machines as aws_machines
from shared.adapters.aws import publishing as aws_publishing
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.publishing import MAX_ALIASES, StepFunctionsPublisher
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.redis.publish_queue import RedisPublishQueue
from tests.support.stores import Stores

STATES = "arn:aws:states:eu-central-1:123456789012:stateMachine"
LOGS = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/states"


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "any")


@dataclass
class Machine:
    type: str
    tags: list[dict[str, str]]
    options: dict[str, Any]
    versions: int = 1
    aliases: dict[str, str] = field(default_factory=dict)


class StepFunctions:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachineAlias.html"""

    meta = SimpleNamespace(region_name="eu-central-1")

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}

    def create_state_machine(
        self,
        *,
        name: str,
        type: str,  # noqa: A002 - AWS's name
        tags: list[dict[str, str]],
        **options: Any,
    ) -> dict[str, Any]:
        arn = f"{STATES}:{name}"
        if arn in self.machines:
            raise refused("StateMachineAlreadyExists")
        self.machines[arn] = Machine(type, tags, options)
        return {"stateMachineArn": arn, "stateMachineVersionArn": f"{arn}:1"}

    def update_state_machine(self, *, stateMachineArn: str, **options: Any) -> dict[str, Any]:  # noqa: N803
        machine = self.machines.get(stateMachineArn)
        if machine is None:
            raise refused("StateMachineDoesNotExist")
        if {"type", "tags"} & options.keys():
            raise refused("ValidationException")
        machine.options, machine.versions = options, machine.versions + 1
        return {"stateMachineVersionArn": f"{stateMachineArn}:{machine.versions}"}

    def create_state_machine_alias(self, *, name: str, routingConfiguration: list[Any]) -> dict[str, Any]:  # noqa: N803
        version = routingConfiguration[0]["stateMachineVersionArn"]
        aliases = self.machines[version.rpartition(":")[0]].aliases
        if len(aliases) == MAX_ALIASES:
            raise refused("ServiceQuotaExceededException")
        aliases[name] = version
        return {}

    def delete_state_machine_alias(self, *, stateMachineAliasArn: str) -> dict[str, Any]:  # noqa: N803
        arn, _, name = stateMachineAliasArn.rpartition(":")
        machine = self.machines.get(arn)
        if machine is None or machine.aliases.pop(name, None) is None:
            raise refused("ResourceNotFound")
        return {}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    made = StepFunctions()
    for module in (aws_machines, aws_publishing):
        monkeypatch.setattr(module, "client", lambda service: made)
    return made


@pytest.fixture
def publisher(aws: StepFunctions, stores: Stores) -> StepFunctionsPublisher:
    groups = {"machine_log_group_arn": f"{LOGS}/m", "express_log_group_arn": f"{LOGS}/m-express"}
    role = "arn:aws:iam::123456789012:role/machines"
    settings = AwsSettings(environment="prod", machine_prefix="m", machine_role_arn=role, **groups)
    queue = RedisPublishQueue(stores.redis, bucket=1_000_000, per_second=1_000_000)
    return StepFunctionsPublisher(Machines(settings), settings, queue)


def logs(machine: Machine) -> tuple[str, bool, str]:
    found = machine.options["loggingConfiguration"]
    (to,) = found["destinations"]
    return found["level"], found["includeExecutionData"], to["cloudWatchLogsLogGroup"]["logGroupArn"]


async def test_an_express_version_is_on_both_machines_and_logs_all_that_its_own_does(publisher, aws):
    await publisher.publish("w", 1, {"States": {}}, {}, express=False)
    await publisher.publish("w", 2, {"States": {}}, {}, express=True)
    await publisher.publish("w", 3, {"States": {}}, {}, express=False)

    standard, express = aws.machines[f"{STATES}:m-w"], aws.machines[f"{STATES}:m-w-express"]
    assert (standard.type, express.type) == ("STANDARD", "EXPRESS")
    assert (list(standard.aliases), list(express.aliases)) == (["v1", "v2", "v3"], ["v2"])
    assert all(each.tags == [{"key": "millrace", "value": "prod"}] for each in (standard, express))
    assert logs(standard) == ("ERROR", False, f"{LOGS}/m:*")
    assert logs(express) == ("ALL", True, f"{LOGS}/m-express:*")


@pytest.mark.parametrize("every", [1, 2, 1_000])
async def test_however_many_versions_there_are_a_hundred_stay_startable(publisher, aws, every):
    newest = 2 * MAX_ALIASES + 5
    for version in range(1, newest + 1):
        await publisher.publish("w", version, {}, {}, express=version % every == 0)

    kept = range(newest - MAX_ALIASES + 1, newest + 1)
    assert list(aws.machines[f"{STATES}:m-w"].aliases) == [f"v{version}" for version in kept]
    if every <= newest:
        aliases = list(aws.machines[f"{STATES}:m-w-express"].aliases)
        assert aliases == [f"v{version}" for version in kept if version % every == 0]


async def test_a_version_that_turns_express_for_a_while_leaves_room_for_what_comes_later(publisher, aws):
    """A hundred express versions, a hundred durable ones, and an express one again."""
    for version in range(1, 2 * MAX_ALIASES + 2):
        express = version <= MAX_ALIASES or version > 2 * MAX_ALIASES
        await publisher.publish("w", version, {}, {}, express=express)

    assert list(aws.machines[f"{STATES}:m-w-express"].aliases) == [f"v{2 * MAX_ALIASES + 1}"]
