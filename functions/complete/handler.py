"""The Lambda that hears of the end of every state machine of the deployment: by events of EventBridge
(events/execution-ended.json), and of the EXPRESS ones by their log (events/express-log.json)."""

from collections.abc import Coroutine
from functools import cache
from typing import Any

import orjson

from functions.complete.core import CompleteDeps, Ended, complete
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import Metric, measure, observed
from shared.errors import MalformedRequest
from shared.executions.records import ExecutionStatus, Watch
from shared.observability import bind

ENDS = {
    ExecutionStatus.SUCCEEDED: Metric.EXECUTIONS_SUCCEEDED,
    ExecutionStatus.FAILED: Metric.EXECUTIONS_FAILED,
    ExecutionStatus.TIMED_OUT: Metric.EXECUTIONS_TIMED_OUT,
    ExecutionStatus.CANCELLED: Metric.EXECUTIONS_CANCELLED,
}


@cache
def _deps() -> CompleteDeps:
    from functions.complete.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out. CloudWatch Logs hands a piece of the log over
    without a queue; where that fails, Lambda puts it into the queue, as its `requestPayload`."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    if "awslogs" in event:
        run(_logged(event["awslogs"]["data"]))
        return {}
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    await _work(record)


def _work(record: dict[str, Any]) -> Coroutine[Any, Any, None]:
    """What a message asks for. Raises MalformedRequest."""
    try:
        told = orjson.loads(record["body"])
        if "requestPayload" in told:
            return _logged(told["requestPayload"]["awslogs"]["data"])
        if "watch" in told:
            return _watched(Watch(**told["watch"]))
        return _changed(told, told["detail"]["name"], int(record["attributes"]["ApproximateReceiveCount"]) > 1)
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedRequest(f"The message {record['messageId']} tells of no execution: {error}.") from None


async def _changed(event: dict[str, Any], name: str, again: bool) -> None:
    with bind(execution_id=name):
        ended = await complete(event, _deps(), again=again)
    _measured(ended)


async def _logged(data: str) -> None:
    from functions.complete.express import take  # noqa: PLC0415 - as above

    for each in await take(data, _deps()):
        _measured(each)


async def _watched(watch: Watch) -> None:
    from functions.complete.watched import look  # noqa: PLC0415 - as above

    with bind(execution_id=watch.execution_id):
        _measured(await look(watch, _deps()))


def _measured(ended: Ended | None) -> None:
    if ended is not None:
        measure(ENDS[ended.status])
        measure(Metric.EXECUTION_DURATION, ended.milliseconds)


preload(
    "functions.complete.aws",
    "functions.complete.express",
    "shared.adapters.aws.batches",
    clients=("secretsmanager", "stepfunctions", "events", "sqs"),
)
