"""What functions may do in an account beyond the emulator, where tests/localstack holds permissions to their use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.constructs.function import HANDLERS
from tests.infra.conftest import Synthesised

ONLY_IN_AN_ACCOUNT = {
    "secretsmanager:GetSecretValue": "The database's credentials; on the emulator its URL is given.",
    "kms:Decrypt": "The key of that secret.",
}


def actions(made: Synthesised) -> dict[str, set[str]]:
    """By function, what its own policy allows."""
    found: dict[str, set[str]] = {}
    for name, resource in made.templates["functions"]["Resources"].items():
        if resource["Type"] == "AWS::IAM::Policy":
            function = max((each for each in HANDLERS if name.startswith(each)), key=len)
            found.setdefault(function, set()).update(_actions(resource["Properties"]))
    return found


def _actions(policy: dict[str, Any]) -> Iterator[str]:
    for statement in policy["PolicyDocument"]["Statement"]:
        yield from [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


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
