"""`date.convert`: a time from one form and zone to another; JSONata knows no zones."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from zoneinfo import ZoneInfo

from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeConfigInvalid


class DateArguments(Arguments):
    value: str | int | float = Field(description="ISO 8601, RFC 5322, seconds since 1970, or as `from_format` says.")
    from_format: str | None = Field(default=None, max_length=100, description="As strptime: `%d.%m.%Y %H:%M`.")
    from_zone: str = Field(default="UTC", description="Of a value that says no zone, such as `Europe/Vienna`.")
    to_zone: str = "UTC"
    to_format: str | None = Field(default=None, max_length=100, description="As strftime; by default no `text`.")


async def run(arguments: DateArguments, _: ToolContext) -> dict[str, object]:
    """`{iso, rfc5322, epoch_seconds, weekday, text?}`; weekday is 1 (Monday) to 7."""
    try:
        parsed = _parsed(arguments.value, arguments.from_format)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=_zone(arguments.from_zone))
        there = parsed.astimezone(_zone(arguments.to_zone))
        made: dict[str, object] = {
            "iso": there.isoformat(),
            "rfc5322": format_datetime(there),
            "epoch_seconds": there.timestamp(),
            "weekday": there.isoweekday(),
        }
        return made | ({"text": there.strftime(arguments.to_format)} if arguments.to_format else {})
    except (ValueError, OverflowError, OSError) as error:
        raise NodeConfigInvalid(f"`value` is not such a time: {error}.") from None


def _parsed(value: str | float, form: str | None) -> datetime:
    if not isinstance(value, str):
        return datetime.fromtimestamp(value, UTC)
    if form is not None:
        return datetime.strptime(value, form)  # noqa: DTZ007 - the zone is put in by who called
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return parsedate_to_datetime(value)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise NodeConfigInvalid(f"'{name[:60]}' is no time zone; write it as Europe/Vienna.") from None


TOOL = Tool(
    name="date.convert",
    summary="Converts a time between forms and time zones.",
    arguments=DateArguments,
    run=run,
    raises=("NodeConfigInvalid",),
)
