"""The event trigger: what its config may say, and what it makes of an event."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.errors import InvalidPattern
from shared.triggers.events.pattern import compile_pattern
from shared.triggers.events.records import Event
from shared.triggers.templates import check_template, filled


class EventTriggerConfig(BaseModel):
    """Config of a trigger of type `event`."""

    model_config = ConfigDict(extra="forbid")

    pattern: dict[str, Any] = Field(
        description="Which events, in EventBridge's pattern language.",
        examples=[{"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}}],
    )
    input: Any = Field(
        default=None, description="The workflow's input; expressions see `$event`. By default the whole event."
    )
    pause_after_failures: int = Field(
        default=20, ge=1, le=1_000, description="Events in a row that start nothing before the trigger is switched off."
    )

    @field_validator("pattern")
    @classmethod
    def _can_be(cls, given: dict[str, Any]) -> dict[str, Any]:
        try:
            compile_pattern(given)
        except InvalidPattern as error:
            raise ValueError("; ".join(map(str, error.diagnostics))) from None
        return given

    @field_validator("input")
    @classmethod
    def _compiles(cls, given: Any) -> Any:
        check_template(given, {"event"})
        return given

    def input_of(self, document: dict[str, Any]) -> Any:
        """The workflow's input for an event. Raises ExpressionError."""
        return document if self.input is None else filled(self.input, {"event": document})


def start_key(event: Event, trigger_id: str, replay: str | None) -> str:
    """Names what an event starts by a trigger: one execution, whoever tries it how often."""
    return f"event:{event.id}:{trigger_id}" + (f":replay:{replay}" if replay is not None else "")
