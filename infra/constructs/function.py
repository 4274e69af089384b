"""One construct for every Lambda: arm64, Python 3.13, a role and a log group of its own, tracing on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import Environment
from infra.constructs.keeping import log_group
from infra.constructs.nag import accept

HANDLERS = {
    "api": "functions.api.handler.handler",
    "webhook": "functions.webhook.handler.handler",
    "agent": "functions.nodes.agent.handler.handler",
    "approval": "functions.nodes.approval.handler.handler",
    "http": "functions.nodes.http.handler.handler",
    "tool": "functions.nodes.tool.handler.handler",
    "dispatch": "functions.dispatch.handler.handler",
    "admit": "functions.admit.handler.handler",
    "complete": "functions.complete.handler.handler",
    "event": "functions.event.handler.handler",
    "schedule": "functions.schedule.handler.handler",
    "poll": "functions.poll.handler.handler",
    "bulk": "functions.bulk.handler.handler",
    "housekeeping": "functions.housekeeping.handler.handler",
    "migrate": "functions.migrate.handler.handler",
}

_INTERFACES = [
    f"ec2:{action}"
    for action in (
        "CreateNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "DeleteNetworkInterface",
        "AssignPrivateIpAddresses",
        "UnassignPrivateIpAddresses",
    )
]
"""What AWSLambdaVPCAccessExecutionRole allows, but for logs; the CDK attaches that only to roles that it makes itself.
Lambda needs it on every resource: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"""


@dataclass(frozen=True, slots=True)
class Size:
    """What a function gets. Lambda gives one vCPU at 1,769 MB, so memory also decides how fast a cold start is."""

    memory_mb: int
    seconds: int
    reserved: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where functions run: in the subnets of the stores, or, without a VPC, anywhere."""

    vpc: ec2.IVpc | None = None
    security_groups: list[ec2.ISecurityGroup] = field(default_factory=list)


class Function(Construct):
    """`lambda_function` is the resource, `role` its own; one that is `recursive` sends messages to its own queue."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        size: Size,
        place: Place,
        variables: Mapping[str, str],
        recursive: bool = False,
    ) -> None:
        super().__init__(scope, name)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        group = log_group(self, "Logs", environment, f"/aws/lambda/{environment.prefix}-{name}")
        if place.vpc is not None:
            self._join_network(f"{environment.prefix}-{name}")
        self.lambda_function = lambda_.Function(
            self,
            "Function",
            function_name=f"{environment.prefix}-{name}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler=HANDLERS[name] if environment.bundles else "index.handler",
            code=_code(environment, name),
            role=self.role,
            memory_size=size.memory_mb,
            timeout=cdk.Duration.seconds(size.seconds),
            reserved_concurrent_executions=size.reserved,
            recursive_loop=lambda_.RecursiveLoop.ALLOW if recursive else None,
            log_group=group,
            tracing=lambda_.Tracing.ACTIVE,
            environment={
                **variables,
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": environment.prefix,
            },
            vpc=place.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS) if place.vpc else None,
            security_groups=place.security_groups or None,
        )
        group.grant_write(self.role)
        self._accept()

    def allow(self, actions: list[str], resources: list[str]) -> None:
        """Adds a statement to the function's own policy."""
        self.role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=resources))

    def _join_network(self, function_name: str) -> None:
        """Lets Lambda put the function into the network, by the function's own role, and denies the same to its code.
        The function's ARN is written out: its resource waits for this policy."""
        itself = cdk.Stack.of(self).format_arn(
            service="lambda",
            resource="function",
            resource_name=function_name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.allow(_INTERFACES, ["*"])
        self.role.add_to_principal_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=_INTERFACES,
                resources=["*"],
                conditions={"ArnEquals": {"lambda:SourceFunctionArn": itself}},
            )
        )

    def _accept(self) -> None:
        accept(
            self,
            {
                "AwsSolutions-IAM5[Resource::*]": "X-Ray has no resources to name; nor has Lambda, which makes network "
                "interfaces.",
                "AwsSolutions-L1": "Python 3.13 is what the bundles are built for.",
            },
        )


def _code(environment: Environment, name: str) -> lambda_.Code:
    if environment.bundles is None:
        return lambda_.Code.from_inline("def handler(event, context): raise NotImplementedError\n")
    return lambda_.Code.from_asset(str(environment.bundles / f"{name}.zip"))
