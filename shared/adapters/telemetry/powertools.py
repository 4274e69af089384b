"""The log and the metrics of a Lambda by Powertools: its Logger's format with our ids and without secrets, and metrics
in CloudWatch's embedded metric format, which cost no request.

Its tracer, batch processor and idempotency are not used: see docs/adr/0015.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from shared.observability import bound, configure, masked
from shared.settings import load


class Formatter(LambdaPowertoolsFormatter):
    """One JSON object a line: Powertools' fields, the ids that are bound, `extra` fields, no credential."""

    def format(self, record: logging.LogRecord) -> str:
        for name, value in ({"logger": record.name} | bound()).items():
            if name not in vars(record):  # what the line says itself goes first
                setattr(record, name, value)
        if record.exc_text and not record.exc_info:  # of a traceback that was scrubbed
            record.exception = record.exc_text
        return str(super().format(record))

    def serialize(self, log: Any) -> str:
        return masked(str(super().serialize(log)))


@contextmanager
def invocation(context: Any) -> Iterator[None]:
    """Around one invocation: every line has its request id and says whether it was a cold start; its metrics are told
    when it ends, also when it fails."""
    logger, metrics = _logger(), _metrics()
    logger.inject_lambda_context(lambda _event, _context: None)({}, context)
    try:
        yield
    finally:
        if metrics.metric_set:  # of none, Powertools warns
            metrics.flush_metrics()


def add(name: str, value: float, *, milliseconds: bool) -> None:
    """One value of a metric, told when the invocation ends."""
    _metrics().add_metric(name, MetricUnit.Milliseconds if milliseconds else MetricUnit.Count, value)


@cache
def _logger() -> Logger:
    """Takes the root's log over, since libraries and our own modules log there by their names."""
    handler = logging.StreamHandler(sys.stdout)
    formatter = Formatter(utc=True, use_rfc3339=True, serialize_stacktrace=False)
    logger = Logger(logger_handler=handler, logger_formatter=formatter)
    configure(load().log_level, handler, formatter)
    return logger


@cache
def _metrics() -> Metrics:
    return Metrics()
