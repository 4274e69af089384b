"""The Lambda that takes start requests from SQS. A message that fails comes back alone; the others are done."""

from functools import cache
from typing import Any

from functions.dispatch.core import DispatchDeps, dispatch
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import Metric, measure, observed
from shared.clock import SystemClock
from shared.errors import MalformedRequest
from shared.observability import bind


@cache
def _deps() -> DispatchDeps:
    from functions.dispatch.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    from shared.adapters.aws.starts import decode  # noqa: PLC0415 - as above

    try:
        request = decode(record["body"])
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedRequest(f"The message {record['messageId']} is no start request: {error}.") from None
    with bind(execution_id=request.execution_id, workflow_id=request.workflow_id):
        if await dispatch(request, _deps()):
            measure(Metric.EXECUTIONS_STARTED)
            measure(Metric.QUEUE_AGE, (SystemClock().now() - request.created_at).total_seconds() * 1_000)


preload(
    "functions.dispatch.aws",
    "shared.adapters.aws.batches",
    clients=("secretsmanager", "stepfunctions", "events", "sqs"),
)
