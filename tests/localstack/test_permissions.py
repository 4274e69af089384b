"""Least privilege: what a role of the deployment may do is what it did in this tier, or what is written here why not.

LocalStack enforces no policy, so what was done and is not allowed is found here, too. Runs after all other tests.
"""

import fnmatch
from pathlib import Path

import pytest

from infra.constructs.function import HANDLERS
from tests.localstack.deployment import PREFIX, Deployment
from tests.localstack.permissions import Grant, Use, granted, used

ROLES = [*HANDLERS, "machines"]

_LARGE = "Payloads above 200 kB; `http` and `tool` show it."
_FAILING = "Lets a message that failed rest; test_ingest shows it of `dispatch`, where one fails."
NOT_EXERCISED: dict[tuple[str, str], str] = {
    ("*", "xray:*"): "Lambda and Step Functions send traces themselves; LocalStack keeps none.",
    ("*", "kms:*"): "S3 and Secrets Manager ask for the key in the caller's name; LocalStack's do without.",
    ("agent", "bedrock:*"): "There is no Bedrock here.",
    ("agent", "s3:*Object"): _LARGE,
    ("api", "s3:*Object"): _LARGE,
    ("approval", "s3:*Object"): _LARGE,
    ("http", "s3:GetObject"): _LARGE,
    ("webhook", "s3:*Object"): _LARGE,
    ("*", "s3:ListBucket"): "S3 says 404 for what is not there only to who may list, to others 403.",
    ("tool", "sqs:SendMessage"): "The tool workflow.start, which no workflow of this tier calls.",
    **{
        (name, action): _FAILING
        for name in ("complete", "dispatch", "event", "poll", "schedule")
        for action in ("sqs:ChangeMessageVisibility", "sqs:GetQueueUrl")
    },
    ("poll", "s3:*Object"): _LARGE,
    (
        "schedule",
        "states:StopExecution",
    ): "The overlap policy cancel_previous, of executions that take longer than here.",
    (
        "complete",
        "sqs:SendMessage",
    ): "Lambda puts there what failed; `complete` looks again after 15 minutes.",
    ("api", "iam:PassRole"): "CreateStateMachine hands the machines' role over; no request of its own.",
    ("api", "states:RedriveExecution"): "The emulator cannot redrive; tests/contract/test_aws_executions.py does.",
    ("api", "states:DeleteStateMachineAlias"): "Of a workflow's hundred and first version.",
    ("api", "states:UpdateStateMachineAlias"): "Where publishing failed half-way, and is done again.",
    ("machines", "events:*"): "The native integrations; nothing that is compiled uses them yet.",
    ("machines", "states:*"): "Distributed maps and nested executions; LocalStack runs those itself.",
    ("machines", "logs:*"): "Step Functions delivers logs itself; LocalStack's do not ask.",
}
"""What is allowed and cannot be seen here: role and action as patterns, and why it is allowed all the same."""

WILDCARDS: dict[str, str] = {
    "xray:*": "X-Ray has no resources to name.",
    "logs:CreateLogStream": "Streams of the function's own log group.",
    "logs:PutLogEvents": "Streams of the function's own log group.",
    "logs:*": "Log delivery takes no resource: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
    "s3:*Object": "Objects of the bucket of blobs; each execution has some of its own.",
    "bedrock:*": "Authors choose the model of a node.",
    "states:*": "Machines that publishing makes, by what their names begin with.",
    "lambda:InvokeFunction": "Versions of the function.",
    "scheduler:*Schedule": "Every trigger has schedules of its own, in the deployment's group.",
}
"""Why a resource is given with a wildcard, by action."""

EMULATED = {
    "logs:CreateLogGroup": "LocalStack's writer of logs tries it; on AWS the stack makes every group.",
    "sts:GetCallerIdentity": "Needs no permission.",
}
"""What is used and needs no grant."""


@pytest.fixture(scope="session")
def recorded(deployment: Deployment, request: pytest.FixtureRequest) -> Path:
    """What was recorded, once the whole tier ran."""
    ran = {item.path.name for item in request.session.items}
    if not {"test_deployed.py", "test_parity.py"} <= ran:
        pytest.skip("only the whole tier shows what is used")
    if deployment.emulator.log is None:
        pytest.skip("an emulator that was not started here records nothing")
    return deployment.emulator.log.parent / "actions.jsonl"


def role_of(deployment: Deployment, name: str) -> str:
    """The name of the role that the function (or every machine) has."""
    if name == "machines":
        return f"{PREFIX}-machines"
    found = deployment.client("lambda").get_function_configuration(FunctionName=f"{PREFIX}-{name}")
    return str(found["Role"].rpartition("/")[2])


def of(deployment: Deployment, recorded: Path, name: str) -> tuple[set[Grant], set[Use]]:
    role = role_of(deployment, name)
    return granted(deployment.client("iam"), role), used(recorded, role)


@pytest.mark.parametrize("name", ROLES)
def test_what_a_function_does_is_allowed(deployment: Deployment, recorded: Path, name: str):
    grants, uses = of(deployment, recorded, name)

    assert {use for use in uses if use.action not in EMULATED and not use.allowed_by(grants)} == set()


@pytest.mark.parametrize("name", ROLES)
def test_what_a_function_may_do_it_does_or_it_is_written_why_not(deployment: Deployment, recorded: Path, name: str):
    grants, uses = of(deployment, recorded, name)

    unused = {grant.action for grant in grants} - {use.action for use in uses}
    assert {action for action in unused if not excused(name, action)} == set()


@pytest.mark.parametrize("name", ROLES)
def test_a_wildcard_in_a_resource_has_a_reason(deployment: Deployment, name: str):
    grants = granted(deployment.client("iam"), role_of(deployment, name))

    wild = {grant.action for grant in grants if "*" in grant.resource}
    assert {action for action in wild if not any(fnmatch.fnmatch(action, each) for each in WILDCARDS)} == set()
    assert [grant for grant in grants if "*" in grant.action] == []


def excused(name: str, action: str) -> bool:
    return any(fnmatch.fnmatch(name, who) and fnmatch.fnmatch(action, what) for who, what in NOT_EXERCISED)
