"""The Lambda that takes polls that are due from SQS, where EventBridge Scheduler puts them; see events/poll.json."""

from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.poll.core import Deps, on_event
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.errors import MalformedRequest


class PollEvent(BaseModel):
    """What shared/adapters/aws/schedules.py gives the schedule of a polling trigger to say."""

    model_config = ConfigDict(extra="forbid")

    trigger_id: str


@cache
def _deps() -> Deps:
    from functions.poll.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out; what comes again emits nothing twice."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    try:
        wanted = PollEvent.model_validate_json(record["body"])
    except ValidationError as error:
        raise MalformedRequest(f"The message is not one of a poll: {error.errors(include_input=False)}") from None
    await on_event(_deps(), wanted.trigger_id)


preload("functions.poll.aws", "shared.adapters.aws.batches", clients=("secretsmanager", "sqs"))
