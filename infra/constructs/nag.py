"""Findings of cdk-nag that are accepted, each with its reason beside the resource that it is about."""

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def accept(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Accepts findings on a construct and what is inside it: by rule, or by rule and finding (`…-IAM5[Resource::*]`)."""
    for finding, reason in reasons.items():
        cdk.Validations.of(construct).acknowledge(id=finding, reason=reason)
