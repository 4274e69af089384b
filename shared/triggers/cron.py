"""Cron expressions of five fields, as croniter reads them, and what they mean in a timezone.

croniter only ever sees wall-clock times without a zone; what a zone does to them is decided here, in one rule:

  A fire time is a wall-clock time that the expression names, at the first moment when clocks in the zone show it.

So a time that a forward shift leaves out is not fired on that day, and a time that a backward shift shows twice is
fired once, the first time. EventBridge Scheduler documents the same: an invocation at a non-existent time is skipped,
and one at a repeated time runs only once.
Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html (daylight savings time), and
https://repost.aws/knowledge-center/eventbridge-scheduler-adjust-dst
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError, CroniterError

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
MAX_YEARS = 10
"""Between two dates that an expression names: 29 February comes again after at most eight years."""

_MINUTE = timedelta(minutes=1)
_PART = r"(?:\*|[0-9]{1,2}(?:-[0-9]{1,2})?|[a-z]{3}(?:-[a-z]{3})?)(?:/[0-9]{1,2})?"
_FIELD = re.compile(rf"{_PART}(?:,{_PART})*", re.IGNORECASE)


@lru_cache(maxsize=1024)
def fields_of(expression: str) -> tuple[tuple[int, ...] | None, ...]:
    """The numbers that each of the five fields names, None for every one; days of the week count from Sunday = 0.

    Raises:
        ValueError: it is not a cron expression of five fields, or no date ever matches; in words for an author.
    """
    parts = expression.split()
    if len(parts) != len(FIELDS):
        raise ValueError(f"'{expression}' has {len(parts)} fields; a cron expression has five: {', '.join(FIELDS)}.")
    for name, part in zip(FIELDS, parts, strict=True):
        if not _FIELD.fullmatch(part):
            raise ValueError(
                f"'{part}' is not a {name}. Write *, a number, a range 1-5, a list 1,15, a step */10, or (for months"
                " and days of the week) names such as JAN and MON."
            )
    try:
        expanded, _ = croniter.expand(" ".join(parts))
    except CroniterError as error:
        raise ValueError(f"'{expression}' is not a cron expression: {error}.") from None
    return tuple(None if field == ["*"] else tuple(int(value) for value in field) for field in expanded)


def next_wall(expression: str, after: datetime) -> datetime | None:
    """The first wall-clock time after `after` (both without a zone); None where MAX_YEARS pass without one."""
    return _step(expression, after, forward=True)


def last_wall(expression: str, until: datetime) -> datetime | None:
    """The last wall-clock time at or before `until` (both without a zone)."""
    return _step(expression, until.replace(second=0, microsecond=0) + _MINUTE, forward=False)


def _step(expression: str, start: datetime, *, forward: bool) -> datetime | None:
    cron = croniter(expression, start, ret_type=datetime, max_years_between_matches=MAX_YEARS)
    try:
        found: datetime = cron.get_next() if forward else cron.get_prev()
    except CroniterBadDateError:
        return None
    return found


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment (UTC) when clocks in `zone` show `wall`; None where they never do."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    shown = instant.astimezone(zone).replace(tzinfo=None, fold=0)
    return instant if shown == wall else None


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What clocks in `zone` show at `instant`, without a zone."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def next_instant(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first fire time after `after` (UTC)."""
    wall: datetime | None = wall_of(after, zone)
    while wall is not None and (wall := next_wall(expression, wall)) is not None:
        instant = instant_of(wall, zone)
        if instant is not None and instant > after:  # in a repeated hour the first showing is over
            return instant
    return None


def last_instant(expression: str, zone: ZoneInfo, until: datetime) -> datetime | None:
    """The last fire time at or before `until` (UTC)."""
    local = until.astimezone(zone)
    wall: datetime | None = local.replace(tzinfo=None, fold=0)
    if local.fold and wall is not None:  # clocks have shown later times than this one already
        wall += (local.replace(fold=0).utcoffset() or timedelta()) - (local.utcoffset() or timedelta())
    while wall is not None and (wall := last_wall(expression, wall)) is not None:
        instant = instant_of(wall, zone)
        if instant is not None and instant <= until:
            return instant
        wall -= _MINUTE
    return None
