"""Findings of cdk-nag that are accepted, each with its reason beside the resource that it is about."""

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def accept(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Accepts findings on a construct and what is inside it: by rule, or by rule and detail (`…IAM5[Resource::*]`)."""
    for finding, reason in reasons.items():
        cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def accept_machines(construct: IConstruct, prefix: str) -> None:
    """Accepts statements about all machines of the deployment, their executions, and the iterations of distributed maps
    in these, by the prefix of their names."""
    arn = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>"
    accept(
        construct,
        {
            f"AwsSolutions-IAM5[Resource::{arn}:{named}]": "Publishing a workflow makes its machine."
            for named in (f"stateMachine:{prefix}-*", f"execution:{prefix}-*", f"execution:{prefix}-*/*")
        },
    )
