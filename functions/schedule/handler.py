"""The Lambda that EventBridge Scheduler invokes; see events/schedule-fire.json for what it is sent."""

import asyncio
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from functions.schedule.core import Deps, on_event
from shared.errors import MalformedRequest, NotImplementedYet


class ScheduleEvent(BaseModel):
    """The target input that Millrace gives a schedule; `<aws.scheduler.scheduled-time>` stands for the time in it.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """

    model_config = ConfigDict(extra="forbid")

    project_id: str
    trigger_id: str
    scheduled_time: AwareDatetime


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's interface
    """One fire time of one trigger. What it raises is retried by EventBridge Scheduler, which starts nothing twice."""
    try:
        wanted = ScheduleEvent.model_validate(event)
    except ValidationError as error:
        raise MalformedRequest(f"The event is not one of a schedule: {error.errors(include_input=False)}") from None
    fired = asyncio.run(on_event(from_environment(), wanted.project_id, wanted.trigger_id, wanted.scheduled_time))
    return fired.model_dump(mode="json")


def from_environment() -> Deps:
    """The dependencies of the Lambda.

    Raises:
        NotImplementedYet: the AWS stage is not built yet.
    """
    raise NotImplementedYet("Schedules do not run on AWS yet; they run in the local stage: make run.")
