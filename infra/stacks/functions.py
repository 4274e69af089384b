"""Every Lambda, what it may do, and the queues that invoke it by themselves."""

from dataclasses import asdict

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_destinations as lambda_destinations
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from constructs import Construct

from infra import settings
from infra.config import Environment
from infra.constructs.function import Function, Place, Size
from infra.constructs.nag import accept, accept_machines
from infra.stacks.data import DataStack
from infra.stacks.messaging import DISPATCH_SECONDS, INBOXES, MessagingStack

NODES = ("agent", "approval", "http", "tool")
SIZES = {
    "api": Size(1024, 29),  # API Gateway waits 29 s
    "webhook": Size(512, 29),
    "agent": Size(1024, 300),
    "approval": Size(512, 30),
    "http": Size(512, 120),
    "tool": Size(512, 120),
    "dispatch": Size(512, DISPATCH_SECONDS),
    "admit": Size(512, INBOXES["wakes"]),
    "complete": Size(512, INBOXES["ends"]),
    "event": Size(512, INBOXES["events"]),
    "schedule": Size(512, INBOXES["fires"]),
    "poll": Size(512, INBOXES["polls"]),
    "bulk": Size(1024, 120),  # shared/repeating.py: a step goes on for 40 s, then ends what it began
    "housekeeping": Size(512, INBOXES["housekeeping"]),
    "migrate": Size(512, 600),
}
_BLOBS = {
    "api": ("Get", "Put"),
    "webhook": ("Put",),
    "poll": ("Get", "Delete"),  # what a node put aside of its answer
    "agent": ("Get", "Put"),
    "approval": ("Get",),
    "http": ("Get", "Put"),
    "tool": ("Get", "Put"),
    "bulk": ("Get",),
}
"""What a function does with blobs."""
_SEALING = ("api", "webhook", "housekeeping", *NODES)
_INBOXES = {
    "events": "event",
    "ends": "complete",
    "watches": "complete",
    "fires": "schedule",
    "polls": "poll",
    "wakes": "admit",
    "housekeeping": "housekeeping",
}
_RECURSIVE = ("admit", "schedule", "complete", "housekeeping")
"""Functions that send messages to their own queues, one after another for as long as it takes. Lambda would stop such a
chain after about 16 calls: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html. What ends each:

    wakes    a message is sent again every quarter of an hour until its time has come, then for the next time at which
             something may begin, a second later at the earliest; none is sent once nothing waits for a time
    fires    a fire time that a window put off is sent again every quarter of an hour until the window opens
    watches  an execution is looked at again until 25 minutes after its start; then its end is recorded
    housekeeping  a thousand running executions are looked at for a message, until there are no more

A chain through `dispatch` calls that twice, where flow control has the request sent once more. Longer ones go through
`complete`, half an hour a turn, while the log of one express execution after another is lost: there a stop is right.
"""
_STARTERS = ("api", "webhook", "tool", "event", "schedule", "poll", "bulk")
_BATCH = {"high": 1, "normal": 10, "low": 10}
"""Start requests handed to `dispatch` at a time: one of high priority does not wait for others."""


class FunctionsStack(cdk.Stack):
    """`all` by name. Machines are named by what their names begin with, since publishing makes them later; `repeating`
    are those of bulk runs and replays, whose names begin otherwise: no function may change them."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        environment: Environment,
        place: Place,
        data: DataStack,
        messaging: MessagingStack,
    ) -> None:
        super().__init__(scope, name)
        self._environment = environment
        self.machine_role_arn = self.format_arn(
            service="iam", region="", resource="role", resource_name=f"{environment.prefix}-machines"
        )
        self.repeating = {name: self._machine(f"{environment.prefix}_{name}") for name in ("bulk", "replay")}
        self.all: dict[str, Function] = {}
        for function, size in SIZES.items():
            self.all[function] = Function(
                self,
                function,
                environment=environment,
                size=self._size(function, size),
                place=place,
                variables={
                    **data.variables,
                    **messaging.variables,
                    **self._variables(),
                    **(data.sealing_variables if function in _SEALING else {}),
                    **(self._models() if function == "agent" else {}),
                    **(self._pace() if function == "api" else {}),
                    **settings.variables(environment.settings, function),
                },
                recursive=function in _RECURSIVE,
            )
            for secret in settings.secrets(environment.settings, function):
                self.all[function].allow(["secretsmanager:GetSecretValue"], [secret])
            data.allow(self.all[function].role, blobs=_BLOBS.get(function, ()), sealing=function in _SEALING)
        self._publishing()
        self._model_access()
        self._queues(messaging)
        self._scheduling(messaging)
        self._repeating()
        self._migration()

    def _size(self, function: str, size: Size) -> Size:
        given = self._environment
        reserved = {"api": given.api_concurrency, "webhook": given.webhook_concurrency}
        reserved |= dict.fromkeys(NODES, given.node_concurrency)
        return Size(size.memory_mb, size.seconds, reserved.get(function))

    def _variables(self) -> dict[str, str]:
        prefix = self._environment.prefix
        arns = {
            f"MILLRACE_{node.upper()}_FUNCTION_ARN": self.format_arn(
                service="lambda",
                resource="function",
                resource_name=f"{prefix}-{node}",
                arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            )
            for node in NODES
        }
        return arns | {
            **{f"MILLRACE_{name.upper()}_MACHINE_ARN": arn for name, arn in self.repeating.items()},
            "MILLRACE_ENVIRONMENT": self._environment.name,
            "MILLRACE_MACHINE_PREFIX": prefix,
            "MILLRACE_MACHINE_ROLE_ARN": self.machine_role_arn,
            "MILLRACE_MACHINE_LOG_GROUP_ARN": self._machine_logs(prefix),
            "MILLRACE_EXPRESS_LOG_GROUP_ARN": self._machine_logs(f"{prefix}-express"),
        }

    def _machine_logs(self, name: str) -> str:
        arn: str = self.format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"/aws/vendedlogs/states/{name}",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return arn

    def _models(self) -> dict[str, str]:
        given = {
            "MILLRACE_DEFAULT_MODEL": self._environment.default_model,
            "MILLRACE_MODEL_KEYS_SECRET": self._environment.model_keys_secret,
            "OPENAI_BASE_URL": self._environment.openai_base_url,
        }
        return {name: value for name, value in given.items() if value}

    def _pace(self) -> dict[str, str]:
        """How fast the API may publish."""
        given = self._environment
        return {
            "MILLRACE_PUBLISH_BURST": str(given.publish_burst),
            "MILLRACE_PUBLISH_PER_SECOND": str(given.publish_per_second),
        }

    def _model_access(self) -> None:
        role, agent = self.all["agent"].role, self.all["agent"]
        models = [f"arn:{self.partition}:bedrock:*::foundation-model/*"]
        models.append(f"arn:{self.partition}:bedrock:*:{self.account}:inference-profile/*")
        agent.allow(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], models)
        written = [each.replace(self.partition, "<AWS::Partition>") for each in models]
        written = [each.replace(self.account, "<AWS::AccountId>") for each in written]
        accept(
            role, {f"AwsSolutions-IAM5[Resource::{each}]": "Authors choose the model of a node." for each in written}
        )
        if self._environment.model_keys_secret:
            agent.allow(["secretsmanager:GetSecretValue"], [self._environment.model_keys_secret])

    def _publishing(self) -> None:
        machines, executions = self._machines(), self._executions()
        api, dispatch = self.all["api"], self.all["dispatch"]
        publish = ["CreateStateMachine", "UpdateStateMachine", "PublishStateMachineVersion"]
        publish += [f"{verb}StateMachineAlias" for verb in ("Create", "Update", "Delete")]
        api.allow([f"states:{action}" for action in (*publish, "TagResource")], machines)
        asked = ("GetExecutionHistory", "StopExecution", "RedriveExecution")
        api.allow([f"states:{action}" for action in asked], executions)
        api.role.add_to_principal_policy(_passing(self.machine_role_arn, "states.amazonaws.com"))
        for teller in (api, self.all["housekeeping"]):
            teller.allow(["states:SendTaskSuccess"], machines)  # what a person decided
        api.allow(["lambda:InvokeFunction"], [self.all["tool"].lambda_function.function_arn])  # tests connections
        dispatch.allow(["states:StartExecution"], machines)
        dispatch.allow(["states:StopExecution"], executions)  # what was cancelled while it started
        self.all["complete"].allow(["states:DescribeExecution"], executions)
        for function in (api, dispatch, self.all["complete"], self.all["housekeeping"]):
            accept_machines(function.role, self._environment.prefix)

    def _queues(self, messaging: MessagingStack) -> None:
        at_once = asdict(self._environment.at_once)
        for priority, queue in messaging.queues.items():
            for sender in (*_STARTERS, "admit"):
                self.all[sender].allow(["sqs:SendMessage"], [queue.queue_arn])
            self.all["dispatch"].lambda_function.add_event_source(
                SqsEventSource(
                    queue,
                    batch_size=_BATCH[priority],
                    report_batch_item_failures=True,
                    max_concurrency=at_once[priority],
                )
            )

        for inbox, function in _INBOXES.items():
            size = 1 if function == "poll" else 10  # a slow source keeps no other waiting
            self.all[function].lambda_function.add_event_source(
                SqsEventSource(
                    messaging.inboxes[inbox],
                    batch_size=size,
                    report_batch_item_failures=True,
                    max_concurrency=at_once[inbox],
                )
            )
        for waker in (*_STARTERS, "dispatch", "complete", "admit"):
            self.all[waker].allow(["sqs:SendMessage"], [messaging.inboxes["wakes"].queue_arn])
        for waker in ("api", "complete", "schedule"):
            self.all[waker].allow(["sqs:SendMessage"], [messaging.inboxes["fires"].queue_arn])
        for asker in ("api", "housekeeping"):  # itself, for what is too much at once
            self.all[asker].allow(["sqs:SendMessage"], [messaging.inboxes["housekeeping"].queue_arn])
        for publisher in ("api", "dispatch", "complete", "schedule"):
            self.all[publisher].allow(["events:PutEvents"], [messaging.bus.event_bus_arn])
        for watcher in ("dispatch", "complete", "housekeeping"):
            self.all[watcher].allow(["sqs:SendMessage"], [messaging.inboxes["watches"].queue_arn])
        # What CloudWatch Logs hands over has no queue in front of it; what fails waits in one then.
        late = lambda_destinations.SqsDestination(messaging.inboxes["ends"])
        self.all["complete"].lambda_function.configure_async_invoke(retry_attempts=0, on_failure=late)

    def _scheduling(self, messaging: MessagingStack) -> None:
        """Triggers that go by the clock: the API makes their schedules, `schedule` and `poll` do their work."""
        api, group = self.all["api"], self._environment.prefix
        arn = self.format_arn(service="scheduler", resource="schedule", resource_name=f"{group}/*")
        api.allow([f"scheduler:{verb}Schedule" for verb in ("Create", "Update", "Delete")], [arn])
        finding = f"arn:<AWS::Partition>:scheduler:<AWS::Region>:<AWS::AccountId>:schedule/{group}/*"
        accept(api.role, {f"AwsSolutions-IAM5[Resource::{finding}]": "Every trigger has schedules of its own."})
        api.role.add_to_principal_policy(_passing(messaging.scheduler_role.role_arn, "scheduler.amazonaws.com"))
        asked = [self.all[node].lambda_function.function_arn for node in ("http", "tool")]
        self.all["poll"].allow(["lambda:InvokeFunction"], asked)
        self.all["schedule"].allow(["states:StopExecution"], self._executions())  # by the overlap policy
        accept_machines(self.all["schedule"].role, group)

    def _repeating(self) -> None:
        """Bulk runs and replays: the API starts their machines; of a bulk run's executions some are stopped or let go
        on. The machines are made by infra/stacks/orchestration.py."""
        self.all["api"].allow(["states:StartExecution"], list(self.repeating.values()))
        bulk = self.all["bulk"]
        bulk.allow(["states:StopExecution", "states:RedriveExecution"], self._executions())
        accept_machines(bulk.role, self._environment.prefix)

    def _migration(self) -> None:
        """Brings the schema up to the code on every deploy that changes the code; no other function is made or gets new
        code before."""
        migrate = self.all["migrate"].lambda_function
        schema = cdk.CustomResource(
            self,
            "Schema",
            resource_type="Custom::Schema",
            service_token=migrate.function_arn,
            properties={"Code": migrate.current_version.version},
        )
        for name, function in self.all.items():
            if name != "migrate":
                function.lambda_function.node.add_dependency(schema)

    def _machines(self) -> list[str]:
        return [self._machine(f"{self._environment.prefix}-*")]

    def _machine(self, name: str) -> str:
        colon = cdk.ArnFormat.COLON_RESOURCE_NAME
        arn: str = self.format_arn(service="states", resource="stateMachine", resource_name=name, arn_format=colon)
        return arn

    def _executions(self) -> list[str]:
        name = f"{self._environment.prefix}-*"
        colon = cdk.ArnFormat.COLON_RESOURCE_NAME
        return [self.format_arn(service="states", resource="execution", resource_name=name, arn_format=colon)]


def _passing(role_arn: str, service: str) -> iam.PolicyStatement:
    """Leave to hand a role to one service of AWS."""
    to = {"StringEquals": {"iam:PassedToService": service}}
    return iam.PolicyStatement(actions=["iam:PassRole"], resources=[role_arn], conditions=to)
