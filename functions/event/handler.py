"""The Lambda that takes the events of the bus from SQS, and that the machine of replays calls; see
events/event-delivery.json and events/replay-step.json for what it is sent."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from functions.event import replays
from functions.event.arrival import Arrivals
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.clock import SystemClock
from shared.errors import MalformedRequest
from shared.repeating import Step


@cache
def _arrivals() -> Arrivals:
    from functions.event.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@cache
def _replaying() -> replays.Deps:
    from functions.event.aws import replaying  # noqa: PLC0415 - as above

    return replaying()


@observed
def handler(event: dict[str, Any], context: object) -> Mapping[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out; or a step of a replay in, how it stands out."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    if "Records" not in event:
        return run(replays.go_on(_replaying(), Step.model_validate(event)))
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    from shared.adapters.aws.events import event_from  # noqa: PLC0415 - as above

    try:
        event = event_from(orjson.loads(record["body"]), SystemClock().now())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedRequest(f"The message {record['messageId']} is no event of a bus: {error}.") from None
    arrivals = _arrivals()
    await arrivals.keep(event)
    await arrivals.show()


preload("functions.event.aws", "shared.adapters.aws.batches", clients=("secretsmanager", "sqs"))
