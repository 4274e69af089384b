"""A machine that repeats one function until its work is done: statemachines/definitions/repeat.asl.json."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.config import ROOT
from infra.constructs.nag import accept

_DEFINITION = ROOT / "statemachines" / "definitions" / "repeat.asl.json"


def repeating(
    scope: Construct, name: str, *, machine_name: str, function: str, log_group: logs.ILogGroup
) -> stepfunctions.StateMachine:
    """The machine that calls the function of this ARN, with a role of its own."""
    colon = cdk.ArnFormat.COLON_RESOURCE_NAME
    stack = cdk.Stack.of(scope)
    itself = stack.format_arn(service="states", resource="stateMachine", resource_name=machine_name, arn_format=colon)
    role = iam.Role(scope, f"{name}MachineRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
    for action, resource in (("lambda:InvokeFunction", function), ("states:StartExecution", itself)):
        role.add_to_principal_policy(iam.PolicyStatement(actions=[action], resources=[resource]))
    machine = stepfunctions.StateMachine(
        scope,
        f"{name}Machine",
        state_machine_name=machine_name,
        definition_body=stepfunctions.DefinitionBody.from_string(_DEFINITION.read_text()),
        definition_substitutions={"FunctionArn": function},
        role=role,
        tracing_enabled=True,
        logs=stepfunctions.LogOptions(
            destination=log_group, level=stepfunctions.LogLevel.ALL, include_execution_data=False
        ),
    )
    accept(role, {"AwsSolutions-IAM5[Resource::*]": "Log delivery, log groups' policies and X-Ray take no resource."})
    return machine
