"""What functions may do in an account beyond the emulator, where tests/localstack holds permissions to their use."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.constructs.function import HANDLERS
from tests.infra.conftest import Synthesised, as_list, statements

INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""Those of AWSLambdaVPCAccessExecutionRole; without them no function can be made in a VPC.
Source: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaVPCAccessExecutionRole.html"""

ONLY_IN_AN_ACCOUNT = {
    "secretsmanager:GetSecretValue": "The database's credentials; on the emulator its URL is given.",
    "kms:Decrypt": "The key of that secret.",
    **dict.fromkeys(INTERFACES, "Lambda puts the function into the network in its role's name."),
}


def policies(made: Synthesised) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each function with a statement of its own policy."""
    for name, resource in made.templates["functions"]["Resources"].items():
        if resource["Type"] == "AWS::IAM::Policy":
            function = max((each for each in HANDLERS if name.startswith(each)), key=len)
            yield from ((function, each) for each in statements(resource["Properties"]))


def actions(made: Synthesised) -> dict[str, set[str]]:
    """By function, what its own policy allows."""
    found: dict[str, set[str]] = {}
    for function, statement in policies(made):
        if statement["Effect"] == "Allow":
            found.setdefault(function, set()).update(as_list(statement["Action"]))
    return found


def test_what_is_allowed_beyond_what_the_emulator_shows_has_a_reason(synthesised: Synthesised, tmp_path: Path):
    shown = actions(Synthesised("localstack", tmp_path))

    beyond = {name: allowed - shown[name] for name, allowed in actions(synthesised).items()}

    assert beyond.keys() == HANDLERS.keys()
    assert set().union(*beyond.values()) == (set() if synthesised.name == "localstack" else {*ONLY_IN_AN_ACCOUNT})


def test_a_function_does_with_blobs_what_its_work_takes(synthesised: Synthesised):
    allowed = {name: {each for each in given if each.startswith("s3:")} for name, given in actions(synthesised).items()}

    both = {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
    assert {name: given for name, given in allowed.items() if given} == {
        "api": both,
        "agent": both,
        "http": both,
        "tool": both,
        "approval": {"s3:GetObject", "s3:ListBucket"},
        "bulk": {"s3:GetObject", "s3:ListBucket"},
        "webhook": {"s3:PutObject"},
        "poll": {"s3:GetObject", "s3:DeleteObject", "s3:ListBucket"},
    }


def test_lambda_can_put_every_function_into_the_network_and_its_code_cannot(synthesised: Synthesised):
    made = {
        (function, each["Effect"]): each
        for function, each in policies(synthesised)
        if "ec2:CreateNetworkInterface" in as_list(each["Action"])
    }

    if synthesised.name == "localstack":
        assert made == {}
        return
    assert made.keys() == {(name, effect) for name in HANDLERS for effect in ("Allow", "Deny")}
    for (function, effect), each in made.items():
        assert {*INTERFACES} <= {*as_list(each["Action"])}
        assert each["Resource"] == "*"
        if effect == "Deny":
            (arn,) = each["Condition"]["ArnEquals"].values()
            assert json.dumps(arn).endswith(f':function:millrace-{synthesised.name}-{function}"]]}}')
            assert [*each["Condition"]["ArnEquals"]] == ["lambda:SourceFunctionArn"]


def test_a_function_is_made_once_its_policy_is_there(synthesised: Synthesised):
    """Lambda asks for the permission to make network interfaces when the function is made."""
    template = synthesised.templates["functions"]["Resources"]
    waits = {
        each["Properties"]["FunctionName"]: each["DependsOn"]
        for each in template.values()
        if each["Type"] == "AWS::Lambda::Function"
    }

    for function, names in waits.items():
        assert [name for name in names if template[name]["Type"] == "AWS::IAM::Policy"], function
