"""Which stacks there are, and what each needs of the others."""

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.config import Environment
from infra.constructs.function import Place
from infra.stacks.api import ApiStack
from infra.stacks.console import ConsoleStack
from infra.stacks.data import DataStack
from infra.stacks.functions import FunctionsStack
from infra.stacks.messaging import MessagingStack
from infra.stacks.network import NetworkStack
from infra.stacks.observability import ObservabilityStack
from infra.stacks.orchestration import OrchestrationStack


def compose(app: cdk.App, environment: Environment) -> dict[str, cdk.Stack]:
    """Adds the stacks of an environment to the app, checked by cdk-nag; by their short names."""
    at = environment.prefix
    network = NetworkStack(app, f"{at}-network", environment=environment) if environment.own_stores else None
    data = DataStack(app, f"{at}-data", environment=environment, network=network)
    messaging = MessagingStack(app, f"{at}-messaging", environment=environment)
    place = network.place if network else Place()
    functions = FunctionsStack(
        app, f"{at}-functions", environment=environment, place=place, data=data, messaging=messaging
    )
    orchestration = OrchestrationStack(app, f"{at}-orchestration", environment=environment, functions=functions)
    api = ApiStack(app, f"{at}-api", environment=environment, functions=functions)
    observability = ObservabilityStack(
        app,
        f"{at}-observability",
        environment=environment,
        functions=functions,
        messaging=messaging,
        api=api,
        orchestration=orchestration,
    )
    made: dict[str, cdk.Stack] = {
        "data": data,
        "messaging": messaging,
        "functions": functions,
        "orchestration": orchestration,
        "api": api,
        "observability": observability,
    }
    if network is not None:
        made["network"] = network
    if environment.edge:
        made["console"] = ConsoleStack(app, f"{at}-console", environment=environment)
    untaggable = ["AWS::RDS::DBProxyTargetGroup"]  # the CDK would tag it, and CloudFormation refuses that
    cdk.Tags.of(app).add("millrace", environment.name, exclude_resource_types=untaggable)
    check(app)
    return made


def check(app: cdk.App) -> None:
    """Fails the synthesis on what cdk-nag's rules for AWS solutions find."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
