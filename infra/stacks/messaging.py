"""What carries work: a queue of start requests for each priority, the bus with its archive, the group of schedules."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import Environment
from infra.constructs.queue import dead_letters

PRIORITIES = ("high", "normal", "low")
DISPATCH_SECONDS = 30
"""How long `dispatch` may take for a batch; AWS asks for six times that before a message shows up again."""
TRIES = 20
"""With the pauses of shared/adapters/aws/batches.py, three hours without a database."""


class MessagingStack(cdk.Stack):
    """`queues` and `dead_letters` by priority, `bus`, `schedules`."""

    def __init__(self, scope: Construct, name: str, *, environment: Environment) -> None:
        super().__init__(scope, name)
        at = environment.prefix
        self.dead_letters = {
            priority: dead_letters(self, f"Dead{priority.title()}", f"{at}-starts-{priority}-dead")
            for priority in PRIORITIES
        }
        self.queues = {priority: self._queue(environment, priority) for priority in PRIORITIES}
        self.bus = events.EventBus(self, "Bus", event_bus_name=environment.prefix)
        self.bus.archive(
            "Archive",
            event_pattern=events.EventPattern(source=events.Match.prefix("millrace")),
            retention=cdk.Duration.days(environment.archive_days),
        )
        self.schedules = scheduler.CfnScheduleGroup(self, "Schedules", name=environment.prefix)
        self.variables = {
            f"MILLRACE_QUEUE_{priority.upper()}": queue.queue_url for priority, queue in self.queues.items()
        }

    def _queue(self, environment: Environment, priority: str) -> sqs.Queue:
        return sqs.Queue(
            self,
            f"Starts{priority.title()}",
            queue_name=f"{environment.prefix}-starts-{priority}",
            visibility_timeout=cdk.Duration.seconds(6 * DISPATCH_SECONDS),
            retention_period=cdk.Duration.days(14),
            enforce_ssl=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=TRIES, queue=self.dead_letters[priority]),
        )
