"""What carries work: a queue of start requests for each priority, the bus with its archive, the group of schedules.

Functions do not hear of events at once but through queues, since Lambda would try an event three times within minutes,
and a queue bridges hours in which the database is away.
"""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Environment
from infra.constructs.queue import dead_letters

PRIORITIES = ("high", "normal", "low")
INBOXES = {"events": 60, "ends": 60, "watches": 60, "fires": 60, "polls": 120, "wakes": 60, "housekeeping": 300}
"""What rules, schedules and functions fill, and how many seconds the function may take for a batch: events of the bus,
ends of machines, executions to be looked at, fire times of schedules, polls that are due, reasons to look
whether something may begin, what nobody asks for."""
DISPATCH_SECONDS = 30
"""How long `dispatch` may take for a batch; AWS asks for six times that before a message shows up again."""
_ENDS = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
_EVERYTHING = events.EventPattern(source=events.Match.prefix(""))
TRIES = 20
"""With the pauses of shared/adapters/aws/batches.py, three hours without a database."""


class MessagingStack(cdk.Stack):
    """`queues` by priority, `inboxes` by what is in them, `dead_letters` by the name of either; `bus`, `schedules`,
    and the role that these run as."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment) -> None:
        super().__init__(scope, name)
        at = environment.prefix
        self.dead_letters: dict[str, sqs.Queue] = {}
        self.queues = {
            priority: self._queue(f"Starts{priority.title()}", f"{at}-starts-{priority}", priority, DISPATCH_SECONDS)
            for priority in PRIORITIES
        }
        self.inboxes = {name: self._queue(name.title(), f"{at}-{name}", name, s) for name, s in INBOXES.items()}
        self.bus = events.EventBus(self, "Bus", event_bus_name=environment.prefix)
        self.bus.archive(
            "Archive",
            event_pattern=_EVERYTHING,
            retention=cdk.Duration.days(environment.archive_days),
        )
        self._rules(environment)
        self.schedules = scheduler.CfnScheduleGroup(self, "Schedules", name=environment.prefix)
        self.scheduler_role = self._scheduler_role(environment)
        self.variables = {
            **{f"MILLRACE_QUEUE_{priority.upper()}": queue.queue_url for priority, queue in self.queues.items()},
            "MILLRACE_WATCHES_QUEUE_URL": self.inboxes["watches"].queue_url,
            "MILLRACE_WAKES_QUEUE_URL": self.inboxes["wakes"].queue_url,
            "MILLRACE_QUEUE_HOUSEKEEPING": self.inboxes["housekeeping"].queue_url,
            "MILLRACE_EVENT_BUS": self.bus.event_bus_name,
            "MILLRACE_SCHEDULE_GROUP": environment.prefix,
            "MILLRACE_SCHEDULER_ROLE_ARN": self.scheduler_role.role_arn,
            "MILLRACE_FIRES_QUEUE_URL": self.inboxes["fires"].queue_url,
            "MILLRACE_FIRES_QUEUE_ARN": self.inboxes["fires"].queue_arn,
            "MILLRACE_POLLS_QUEUE_ARN": self.inboxes["polls"].queue_arn,
        }

    def _scheduler_role(self, environment: Environment) -> iam.Role:
        """What schedules run as: they put messages into two queues."""
        here = {"StringEquals": {"aws:SourceAccount": self.account}}
        role = iam.Role(
            self,
            "SchedulerRole",
            role_name=f"{environment.prefix}-scheduler",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=here),
        )
        queues = [self.inboxes[name].queue_arn for name in ("fires", "polls")]
        role.add_to_principal_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=queues))
        return role

    def _rules(self, environment: Environment) -> None:
        machines = self.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=f"{environment.prefix}-",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        # Each item of a distributed Map is an execution, too: …:execution:<machine>/<label>:<id>.
        no_item = [{"anything-but": {"wildcard": "*/*"}}]
        ends = events.EventPattern(
            source=["aws.states"],
            detail_type=["Step Functions Execution Status Change"],
            detail={"status": _ENDS, "stateMachineArn": events.Match.prefix(machines), "executionArn": no_item},
        )
        events.Rule(
            self,
            "Every",
            event_bus=self.bus,
            event_pattern=_EVERYTHING,
            targets=[targets.SqsQueue(self.inboxes["events"])],
        )
        events.Rule(self, "Ended", event_pattern=ends, targets=[targets.SqsQueue(self.inboxes["ends"])])
        self._clock(environment)

    def _clock(self, environment: Environment) -> None:
        """What housekeeping is asked for by the clock. A database that may pause is woken for it once a day."""
        daily, ends = (
            targets.SqsQueue(self.inboxes["housekeeping"], message=events.RuleTargetInput.from_object({"work": work}))
            for work in ("daily", "ends")
        )
        once = events.Rule(self, "Daily", schedule=events.Schedule.cron(hour="3", minute="17"), targets=[daily])
        if environment.aurora_min_acu:
            events.Rule(self, "Hourly", schedule=events.Schedule.cron(minute="47"), targets=[ends])
        else:
            once.add_target(ends)

    def _queue(self, construct: str, name: str, short: str, seconds: int) -> sqs.Queue:
        self.dead_letters[short] = dead_letters(self, f"Dead{short.title()}", f"{name}-dead")
        return sqs.Queue(
            self,
            construct,
            queue_name=name,
            visibility_timeout=cdk.Duration.seconds(6 * seconds),
            retention_period=cdk.Duration.days(14),
            enforce_ssl=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=TRIES, queue=self.dead_letters[short]),
        )
