"""What outlives its stack, and how long logs are kept."""

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Environment

_DAYS = {14: logs.RetentionDays.TWO_WEEKS, 30: logs.RetentionDays.ONE_MONTH, 90: logs.RetentionDays.THREE_MONTHS}
"""CloudWatch's own names."""


def removal(environment: Environment) -> cdk.RemovalPolicy:
    """Where data is kept, all but what a deploy made that then failed: it holds nothing, and its name would be in the
    way of the next try.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
    """
    return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if environment.retain else cdk.RemovalPolicy.DESTROY


def log_group(
    scope: Construct, name: str, environment: Environment, log_group_name: str | None = None
) -> logs.LogGroup:
    """A group that forgets after the environment's days."""
    return logs.LogGroup(
        scope,
        name,
        log_group_name=log_group_name,
        retention=_DAYS[environment.log_days],
        removal_policy=removal(environment),
    )
