"""The Lambda that hears of the end of every state machine of the deployment; see events/execution-ended.json."""

from functools import cache
from typing import Any

import orjson

from functions.complete.core import CompleteDeps, complete
from shared.adapters.aws.loop import run
from shared.adapters.telemetry.observed import Metric, measure, observed
from shared.errors import MalformedRequest
from shared.executions.records import ExecutionStatus
from shared.observability import bind

ENDS = {
    ExecutionStatus.SUCCEEDED: Metric.EXECUTIONS_SUCCEEDED,
    ExecutionStatus.FAILED: Metric.EXECUTIONS_FAILED,
    ExecutionStatus.TIMED_OUT: Metric.EXECUTIONS_TIMED_OUT,
    ExecutionStatus.CANCELLED: Metric.EXECUTIONS_CANCELLED,
}


@cache
def _deps() -> CompleteDeps:
    from functions.complete.aws import from_environment  # noqa: PLC0415 - drivers are loaded with the first event

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, each an event of EventBridge; the ids of those that failed out."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    try:
        event = orjson.loads(record["body"])
        name = event["detail"]["name"]
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedRequest(f"The message {record['messageId']} tells of no execution: {error}.") from None
    with bind(execution_id=name):
        ended = await complete(event, _deps())
    if ended is not None:
        measure(ENDS[ended.status])
        measure(Metric.EXECUTION_DURATION, ended.milliseconds)
