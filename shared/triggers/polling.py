"""The polling trigger: what its config may say.

Terms:
  source  what is asked: an HTTP request, or a registered tool
  items   what an expression finds in the source's answer, in the order in which they are to be emitted
  new     items that the change detection has not seen; see shared/triggers/changes.py
  emit    start an execution, for each new item or for all of a poll together
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.triggers.schedule import CronText, ScheduleTriggerConfig, ZoneName, next_fire
from shared.triggers.templates import check_template
from shared.workflow.expressions import source_of

MAX_ITEMS = 10_000
"""In one answer of a source."""

MAX_BACK_OFF = timedelta(hours=1)
_FIRST_BACK_OFF = timedelta(seconds=30)


def _expression(text: str) -> str:
    if source_of(text) is None:
        raise ValueError(f"'{text[:80]}' is not an expression; write it as {{% … %}}")
    return text


Expression: TypeAlias = Annotated[str, AfterValidator(_expression)]
ConnectionName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HttpSource(_Model):
    """One request, as a `webhook` node sends it. Strings may be expressions that read `$cursor` (null at first)."""

    type: Literal["http"]
    method: Literal["GET", "POST"] = "GET"
    url: str = Field(min_length=1, max_length=4_000)
    query: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, Any] = Field(default_factory=dict)
    body: Any = None
    connection: ConnectionName | None = None


class ToolSource(_Model):
    """One call of a registered tool, as a `tool` node makes it. `arguments` may hold expressions, as above."""

    type: Literal["tool"]
    tool: str = Field(min_length=1, max_length=100)
    arguments: dict[str, Any] = Field(default_factory=dict)
    connection: ConnectionName | None = None


class ByCursor(_Model):
    """New is an item whose cursor is above the highest so far, or equal to it and not seen yet."""

    by: Literal["cursor"]
    cursor: Expression = Field(description="A number or a text of each `$item`.", examples=["{% $item.updated_at %}"])
    id: Expression | None = Field(default=None, description="Tells items of one cursor apart; by default the content.")


class ByIds(_Model):
    """New is an item whose id is not among those seen."""

    by: Literal["ids"]
    id: Expression = Field(examples=["{% $item.id %}"])
    remember: int = Field(
        default=10_000, ge=1, le=50_000, description="Ids kept beside those of the newest answer; the oldest go first."
    )


class ByValidator(_Model):
    """All items are new where the source answers with another ETag or Last-Modified. The request is conditional.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-13
    """

    by: Literal["etag"]


class ByHash(_Model):
    """All items are new where anything in them changed."""

    by: Literal["hash"]


class FirstPoll(_Model):
    """What the first poll emits: what is there already, none of it, or its last `count` items."""

    policy: Literal["emit_all", "emit_none", "emit_latest"] = "emit_none"
    count: int = Field(default=1, ge=1, le=1_000, description="With `emit_latest`.")


class PollingTriggerConfig(_Model):
    """Config of a trigger of type `polling`: one of `interval_seconds` and `cron`."""

    interval_seconds: int | None = Field(default=None, ge=10, le=30 * 86_400)
    cron: CronText | None = Field(default=None, max_length=200, examples=["*/5 8-18 * * MON-FRI"])
    timezone: ZoneName = "UTC"
    source: HttpSource | ToolSource = Field(discriminator="type")
    items: Expression | None = Field(
        default=None,
        description="Finds the items in `$response`: `{status, headers, body}` of HTTP, the output of a tool. By"
        " default `$response.body`, or the whole output. One that is no list is a list of one.",
    )
    order: Literal["oldest_first", "newest_first"] = Field(
        default="oldest_first", description="Of the items as the source gives them; they are emitted oldest first."
    )
    detect: ByCursor | ByIds | ByValidator | ByHash = Field(discriminator="by")
    first_poll: FirstPoll = Field(default_factory=FirstPoll)
    emit: Literal["per_item", "batch"] = "per_item"
    input: Any = Field(
        default=None,
        description="The workflow's input; expressions see `$item`, or with `batch` `$items`. By default"
        " `{item}` or `{items}`.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=600,
        description="At most, to this host or tool, of all polls of the project with a rate.",
    )
    pause_after_failures: int = Field(
        default=10, ge=1, le=100, description="Polls that fail in a row before the trigger switches itself off."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.interval_seconds is None) == (self.cron is None):
            raise ValueError("give exactly one of 'interval_seconds' and 'cron'")
        if self.detect.by == "etag" and self.source.type != "http":
            raise ValueError("'etag' needs a source of type 'http'; use 'hash' with tools")
        check_template(self.source.model_dump(mode="json"), {"cursor"})
        check_template(self.items, {"response"})
        check_template(self.detect.model_dump(mode="json"), {"item"})
        check_template(self.input, {"item" if self.emit == "per_item" else "items"})
        return self

    def next_poll(self, after: datetime) -> datetime | None:
        """The first regular poll after one at `after` (UTC)."""
        if self.interval_seconds is not None:
            return after + timedelta(seconds=self.interval_seconds)
        return next_fire(ScheduleTriggerConfig(cron=self.cron, timezone=self.timezone), after)

    def back_off(self, failures: int) -> timedelta:
        """How long to leave a source alone after so many failures in a row: 30 s, doubled each time, at most 1 h."""
        return min(MAX_BACK_OFF, _FIRST_BACK_OFF * (1 << min(failures - 1, 10)))
