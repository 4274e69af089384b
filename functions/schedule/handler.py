"""The Lambda that takes fire times from SQS, where EventBridge Scheduler puts them; see events/schedule-fire.json."""

from functools import cache
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from functions.schedule.arrivals import Arrivals
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.errors import MalformedRequest


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    project_id: str
    trigger_id: str


class ScheduleEvent(_Message):
    """What shared/adapters/aws/schedules.py gives a schedule to say."""

    scheduled_time: AwareDatetime


class ScheduleWake(_Message):
    """What shared/adapters/aws/wakes.py sends: at `look_at` the fire time that was put off until then, or now, because
    an execution has ended."""

    fire_time: AwareDatetime | None
    look_at: AwareDatetime | None


_MESSAGES: TypeAdapter[ScheduleEvent | ScheduleWake] = TypeAdapter(ScheduleEvent | ScheduleWake)


@cache
def _arrivals() -> Arrivals:
    from functions.schedule.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out; what comes again starts nothing twice."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    try:
        wanted = _MESSAGES.validate_json(record["body"])
    except ValidationError as error:
        raise MalformedRequest(f"The message is not one of a schedule: {error.errors(include_input=False)}") from None
    await _heed(wanted, _arrivals())


async def _heed(said: ScheduleEvent | ScheduleWake, arrivals: Arrivals) -> None:
    ids = (said.project_id, said.trigger_id)
    if isinstance(said, ScheduleEvent):
        await arrivals.on_event(*ids, said.scheduled_time)
    elif said.look_at is not None and said.look_at > arrivals.deps.clock.now():  # SQS holds nothing back for so long
        await arrivals.wakes.look_at_schedule(*ids, said.fire_time, said.look_at)
    elif said.fire_time is not None:
        await arrivals.on_event(*ids, said.fire_time, put_off=True)
    else:
        await arrivals.on_end(*ids)


preload("functions.schedule.aws", "shared.adapters.aws.batches", clients=("secretsmanager", "stepfunctions", "sqs"))
