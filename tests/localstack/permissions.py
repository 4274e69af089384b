"""What a role may do, by its deployed policies, and what it did, as the emulator recorded it."""

import fnmatch
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IAM_SERVICE = {"stepfunctions": "states"}
"""Where IAM calls a service otherwise than botocore does."""
IAM_ACTION = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
"""Where an operation is allowed by an action of another name.
Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""


@dataclass(frozen=True)
class Grant:
    """One action on one resource, both with wildcards as they are written."""

    action: str
    resource: str


@dataclass(frozen=True)
class Use:
    """One action that was asked for; `arns` are the resources that the request named in full, if any."""

    action: str
    arns: tuple[str, ...]

    def allowed_by(self, grants: set[Grant]) -> bool:
        """Whether a statement names the action, and each resource that is known."""
        resources = [grant.resource for grant in grants if fnmatch.fnmatchcase(self.action, grant.action)]
        if not self.arns:
            return bool(resources)
        return all(any(fnmatch.fnmatchcase(arn, each) for each in resources) for arn in self.arns)


def granted(iam: Any, role: str) -> set[Grant]:
    """What the policies of a role allow, those inside of it and those that are attached."""
    return {
        Grant(action, resource)
        for document in _documents(iam, role)
        for statement in document["Statement"]
        for action in _list(statement["Action"])
        for resource in _list(statement["Resource"])
    }


def used(recorded: Path, role: str) -> set[Use]:
    """What the emulator saw a role do."""
    lines = map(json.loads, recorded.read_text().splitlines())
    return {_use(line) for line in lines if line["role"].rpartition("/")[2] == role}


def _use(line: dict[str, Any]) -> Use:
    service = IAM_SERVICE.get(line["service"], line["service"])
    action = f"{service}:{line['operation']}"
    return Use(IAM_ACTION.get(action, action), tuple(line["arns"]))


def _documents(iam: Any, role: str) -> Iterator[dict[str, Any]]:
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        yield iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        policy = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        yield version["PolicyVersion"]["Document"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
