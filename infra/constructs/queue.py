"""Where messages go that failed as often as they may."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.nag import accept


def dead_letters(scope: Construct, name: str, queue_name: str | None = None) -> sqs.Queue:
    """A queue that keeps its messages for two weeks."""
    queue = sqs.Queue(
        scope,
        name,
        queue_name=queue_name,
        retention_period=cdk.Duration.days(14),
        enforce_ssl=True,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
    )
    accept(queue, {"AwsSolutions-SQS3": "It is itself the queue of dead letters."})
    return queue
