"""Least privilege: what a role of the deployment may do is what it did in this tier, or what is written here why not.

LocalStack enforces no policy, so what was done and is not allowed is found here, too. Runs after all other tests.
"""

import fnmatch
from pathlib import Path

import pytest

from infra.constructs.function import HANDLERS
from tests.localstack.deployment import PREFIX, Deployment
from tests.localstack.emulator import REGION
from tests.localstack.permissions import Grant, Use, granted, used

REPEATING = {"bulk machine": f"{PREFIX}_bulk", "replay machine": f"{PREFIX}_replay"}
ROLES = [*HANDLERS, "machines", *REPEATING]

NOT_EXERCISED: dict[tuple[str, str], str] = {
    ("*", "xray:*"): "Lambda and Step Functions send traces themselves; LocalStack keeps none.",
    ("*", "kms:*"): "S3 and Secrets Manager ask for the key in the caller's name; LocalStack's do without.",
    ("agent", "bedrock:*"): "There is no Bedrock here.",
    ("api", "iam:PassRole"): "CreateStateMachine hands the machines' role over; no request of its own.",
    ("api", "states:TagResource"): "CreateStateMachine tags what it makes; no request of its own.",
    ("api", "states:RedriveExecution"): "The emulator cannot redrive; tests/contract/test_aws_executions.py does.",
    ("api", "states:DeleteStateMachineAlias"): "Of a workflow's hundred and first version.",
    ("api", "states:UpdateStateMachineAlias"): "Where publishing failed half-way, and is done again.",
    ("bulk", "states:RedriveExecution"): "As above; tests/functions/test_bulk_step.py does.",
    ("* machine", "states:StartExecution"): "Hands over to itself after 250 steps; tests/interpreter shows it.",
    ("* machine", "logs:*"): "Step Functions delivers logs itself; LocalStack's do not ask.",
    ("schedule", "events:PutEvents"): "The overlap policy cancel_previous, of executions that have not begun.",
    ("machines", "events:*"): "Nested executions that are waited for; LocalStack hears of their ends by itself.",
    ("machines", "states:*"): "Distributed maps, also redriven, and nested executions; LocalStack runs those itself.",
    ("machines", "logs:*"): "Step Functions delivers logs itself; LocalStack's do not ask.",
    (
        "*",
        "s3:ListBucket",
    ): "S3 says 404 for what is not there only to who may list, to others 403; it is no request of its own.",
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
    """The name of the role that the function, a machine that repeats one, or every other machine has."""
    if name in REPEATING:
        arn = f"arn:aws:states:{REGION}:000000000000:stateMachine:{REPEATING[name]}"
        found = deployment.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        return str(found["roleArn"].rpartition("/")[2])
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


def test_no_excuse_is_left_of_what_is_used_or_not_allowed_any_more(deployment: Deployment, recorded: Path):
    left = set(NOT_EXERCISED)
    for name in ROLES:
        grants, uses = of(deployment, recorded, name)
        unused = {grant.action for grant in grants} - {use.action for use in uses}
        left -= {(who, what) for who, what in left for action in unused if fits(name, action, (who, what))}
    assert left == set()


def excused(name: str, action: str) -> bool:
    return any(fits(name, action, excuse) for excuse in NOT_EXERCISED)


def fits(name: str, action: str, excuse: tuple[str, str]) -> bool:
    """Whether an excuse is about this action of this role."""
    return fnmatch.fnmatch(name, excuse[0]) and fnmatch.fnmatch(action, excuse[1])
