"""What compiled machines may do, where they log, and the machines that are the same for all workflows."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import Environment
from infra.constructs.keeping import log_group
from infra.constructs.nag import accept, accept_machines
from infra.constructs.repeating import repeating
from infra.stacks.functions import NODES, FunctionsStack

_LOGS = "/aws/vendedlogs/states/"
_LOG_DELIVERY = [
    f"logs:{action}"
    for action in (
        "CreateLogDelivery",
        "GetLogDelivery",
        "UpdateLogDelivery",
        "DeleteLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "DescribeResourcePolicies",
        "DescribeLogGroups",
    )
]
"""https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html: these take no resource."""
_TRACES = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]

_REPEATED = {"bulk": "bulk", "replay": "event"}
"""The function that a machine repeats until its work is done."""


class OrchestrationStack(cdk.Stack):
    """`role` is what every compiled machine runs as; `repeating` are the machines of bulk runs and replays."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        functions: FunctionsStack,
    ) -> None:
        super().__init__(scope, name)
        group = log_group(self, "Machines", environment, f"{_LOGS}{environment.prefix}")
        self._histories(functions, log_group(self, "Express", environment, f"{_LOGS}{environment.prefix}-express"))
        self.repeating = {
            name: repeating(
                self,
                name.title(),
                machine_name=f"{environment.prefix}_{name}",
                function=functions.all[function].lambda_function.function_arn,
                log_group=group,
            )
            for name, function in _REPEATED.items()
        }
        nodes = [functions.all[node].lambda_function.function_arn for node in NODES]
        boundary = self._boundary(environment, nodes)
        self.role = iam.Role(
            self,
            "MachineRole",
            role_name=f"{environment.prefix}-machines",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            permissions_boundary=boundary,
            inline_policies={"Run": iam.PolicyDocument(statements=self._statements(environment, nodes))},
        )
        for construct in (self.role, boundary):
            accept(
                construct,
                {"AwsSolutions-IAM5[Resource::*]": "Log delivery, log groups' policies and X-Ray take no resource."},
            )
            accept_machines(construct, environment.prefix)

    def _statements(self, environment: Environment, nodes: list[str]) -> list[iam.PolicyStatement]:
        """Redriven are the iterations of a distributed Map, whose names have a slash in them: only whoever runs as this
        role does that. Source: https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html."""
        rule = self.format_arn(
            service="events",
            resource="rule",
            resource_name="StepFunctionsGetEventsForStepFunctionsExecutionRule",
        )
        allowed = [
            (["lambda:InvokeFunction"], nodes),
            (["states:StartExecution"], [self._wild("stateMachine", environment)]),
            (["states:DescribeExecution", "states:StopExecution"], [self._wild("execution", environment)]),
            (["states:RedriveExecution"], [f"{self._wild('execution', environment)}/*"]),
            (["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule]),
            ([*_LOG_DELIVERY, *_TRACES], ["*"]),
        ]
        return [iam.PolicyStatement(actions=actions, resources=resources) for actions, resources in allowed]

    def _histories(self, functions: FunctionsStack, express: logs.LogGroup) -> None:
        """Hands the log of EXPRESS machines to `complete`, all of it: it is the history of their executions."""
        complete = functions.all["complete"].lambda_function
        allowed = lambda_.CfnPermission(
            self,
            "ExpressMayInvoke",
            action="lambda:InvokeFunction",
            function_name=complete.function_arn,
            principal="logs.amazonaws.com",
            source_account=self.account,
            source_arn=express.log_group_arn,
        )
        subscription = logs.CfnSubscriptionFilter(
            self,
            "ExpressHistories",
            destination_arn=complete.function_arn,
            filter_pattern="",
            log_group_name=express.log_group_name,
        )
        subscription.add_dependency(allowed)

    def _boundary(self, environment: Environment, nodes: list[str]) -> iam.ManagedPolicy:
        """Whatever a machine's role is given one day, it can never do more than this."""
        return iam.ManagedPolicy(self, "MachineBoundary", statements=self._statements(environment, nodes))

    def _wild(self, resource: str, environment: Environment) -> str:
        arn: str = self.format_arn(
            service="states",
            resource=resource,
            resource_name=f"{environment.prefix}-*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return arn
