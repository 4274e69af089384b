"""The Lambda that takes fire times from SQS, where EventBridge Scheduler puts them; see events/schedule-fire.json."""

from functools import cache
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from functions.schedule.core import Deps, on_event
from shared.adapters.aws.loop import run
from shared.adapters.telemetry.observed import observed
from shared.errors import MalformedRequest


class ScheduleEvent(BaseModel):
    """What shared/adapters/aws/schedules.py gives a schedule to say."""

    model_config = ConfigDict(extra="forbid")

    project_id: str
    trigger_id: str
    scheduled_time: AwareDatetime


@cache
def _deps() -> Deps:
    from functions.schedule.aws import from_environment  # noqa: PLC0415 - drivers are loaded with the first event

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out; what comes again starts nothing twice."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    try:
        wanted = ScheduleEvent.model_validate_json(record["body"])
    except ValidationError as error:
        raise MalformedRequest(f"The message is not one of a schedule: {error.errors(include_input=False)}") from None
    await on_event(_deps(), wanted.project_id, wanted.trigger_id, wanted.scheduled_time)
