"""The Lambda that rules of the project's EventBridge bus invoke; see events/event-delivery.json for what it is sent."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.event.rule import Deps, on_event
from shared.errors import MalformedRequest, NotImplementedYet


class EventDelivery(BaseModel):
    """What the input transformer of a trigger's rule makes; `<aws.events.event.json>` stands for the event in it.

    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """

    model_config = ConfigDict(extra="forbid")

    project_id: str
    trigger_id: str
    event: dict[str, Any]


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's interface
    """One event for one trigger. What it raises is retried by EventBridge, which starts nothing twice."""
    try:
        wanted = EventDelivery.model_validate(event)
    except ValidationError as error:
        raise MalformedRequest(f"This is not an event of a rule: {error.errors(include_input=False)}") from None
    execution_id = asyncio.run(on_event(from_environment(), wanted.project_id, wanted.trigger_id, wanted.event))
    return {"execution_id": execution_id}


def from_environment() -> Deps:
    """The dependencies of the Lambda.

    Raises:
        NotImplementedYet: the AWS stage is not built yet.
    """
    raise NotImplementedYet("Events do not start executions on AWS yet; they do in the local stage: make run.")
