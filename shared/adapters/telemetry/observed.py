"""What every Lambda tells of itself: structured logs and metrics, through Powertools, which is loaded in a Lambda only.

Source: https://docs.aws.amazon.com/powertools/python/latest/
"""

import os
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Metric(StrEnum):
    """What is counted beyond what AWS counts by itself; the dashboard and docs/operations.md have the same names."""

    EXECUTIONS_STARTED = "ExecutionsStarted"
    EXECUTIONS_SUCCEEDED = "ExecutionsSucceeded"
    EXECUTIONS_FAILED = "ExecutionsFailed"
    EXECUTIONS_TIMED_OUT = "ExecutionsTimedOut"
    EXECUTIONS_CANCELLED = "ExecutionsCancelled"
    EXECUTION_DURATION = "ExecutionDuration"
    """From start to end, in milliseconds."""
    QUEUE_AGE = "QueueAge"
    """From the taking of a request to the start of its state machine, in milliseconds."""
    NODE_ERRORS = "NodeErrors"
    CACHE_UNAVAILABLE = "CacheUnavailable"
    """Commands to the cache that failed or were given up; functions go on without their answers."""
    TOKENS = "Tokens"
    DOLLARS = "Dollars"
    """What models' answers cost, by their prices; where no price is known, nothing."""


MILLISECONDS = frozenset({Metric.EXECUTION_DURATION, Metric.QUEUE_AGE})


def in_lambda() -> bool:
    """Whether this process is a Lambda's, where the log and standard output are CloudWatch's.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def observed(handler: Callable[[dict[str, Any], Any], Answer]) -> Callable[[dict[str, Any], Any], Answer]:
    """The handler with the log and the metrics of its function around each invocation; elsewhere the handler alone."""
    if in_lambda():
        import shared.adapters.telemetry.powertools  # noqa: F401, PLC0415 - so that the first event need not

    @wraps(handler)
    def observing(event: dict[str, Any], context: Any) -> Answer:
        if not in_lambda():
            return handler(event, context)
        from shared.adapters.telemetry.powertools import invocation  # noqa: PLC0415 - loaded with the first event

        with invocation(context):
            return handler(event, context)

    return observing


def measure(metric: Metric, value: float = 1) -> None:
    """Adds one value to what the invocation tells CloudWatch when it ends; elsewhere nothing."""
    if in_lambda():
        from shared.adapters.telemetry.powertools import add  # noqa: PLC0415 - as above

        add(metric, value, milliseconds=metric in MILLISECONDS)
