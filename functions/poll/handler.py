"""The Lambda that EventBridge Scheduler invokes for a polling trigger; see events/poll.json for what it is sent."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.poll.core import Deps, on_event
from shared.errors import MalformedRequest, NotImplementedYet


class PollEvent(BaseModel):
    """The target input that Millrace gives the schedule of a polling trigger."""

    model_config = ConfigDict(extra="forbid")

    trigger_id: str


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's interface
    """One poll of one trigger. What it raises is retried by EventBridge Scheduler, which emits nothing twice."""
    try:
        wanted = PollEvent.model_validate(event)
    except ValidationError as error:
        raise MalformedRequest(f"The event is not one of a poll: {error.errors(include_input=False)}") from None
    return {"outcome": asyncio.run(on_event(from_environment(), wanted.trigger_id))}


def from_environment() -> Deps:
    """The dependencies of the Lambda.

    Raises:
        NotImplementedYet: the AWS stage is not built yet.
    """
    raise NotImplementedYet("Polling does not run on AWS yet; it runs in the local stage: make run.")
