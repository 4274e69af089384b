"""Schedules in the expressions of EventBridge Scheduler.

Its cron has a sixth field for years, counts days of the week from Sunday = 1, and never names both days: one of the two
fields is `?`. Cron fires on either day where both are named, so such a schedule becomes two; on a date that both name,
the fire time is the same, and the run's idempotency key makes one run of it.
Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html and
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html

Fields are written as croniter expanded them, in numbers, lists and ranges, which leaves nothing to interpret.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.triggers.cron import fields_of, wall_of
from shared.triggers.schedule import Rate, ScheduleTriggerConfig

MAX_EXPRESSION = 256


@dataclass(frozen=True, slots=True)
class ScheduleExpression:
    """What CreateSchedule takes; `start` and `end` are in UTC. Source: API_CreateSchedule above."""

    expression: str
    timezone: str
    start: datetime | None
    end: datetime | None


def eventbridge_expressions(config: ScheduleTriggerConfig) -> list[ScheduleExpression]:
    """The schedules that together fire at the config's nominal times; the function that they invoke applies the window
    and what may have to wait."""
    if config.cron is not None:
        texts = eventbridge_crons(config.cron)
    elif config.rate is not None:
        texts = [f"rate({config.rate.value} {_unit(config.rate)})"]
    else:
        local = wall_of(config.at, config.zone) if config.at is not None else None
        texts = [f"at({local.isoformat(timespec='seconds')})"] if local is not None else []
    return [ScheduleExpression(text, config.timezone, config.start, config.end) for text in texts]


def eventbridge_crons(expression: str) -> list[str]:
    """`cron(…)` for a cron expression of five fields; two where it names both days.

    Raises:
        ValueError: it is not a cron expression, or longer than EventBridge allows once it is written out.
    """
    minute, hour, day, month, weekday = fields_of(expression)
    weekday = weekday and tuple(number + 1 for number in weekday)
    days = [(_written(day), "?")] if day is not None or weekday is None else []
    if weekday is not None:
        days.append(("?", _written(weekday)))
    texts = [f"cron({_written(minute)} {_written(hour)} {d} {_written(month)} {w} *)" for d, w in days]
    for text in texts:
        if len(text) > MAX_EXPRESSION:
            raise ValueError(
                f"'{expression}' becomes {len(text)} characters in EventBridge Scheduler, which takes"
                f" {MAX_EXPRESSION}. Make several triggers of it."
            )
    return texts


def _unit(rate: Rate) -> str:
    return rate.unit.removesuffix("s") if rate.value == 1 else rate.unit


def _written(numbers: Sequence[int] | None) -> str:
    return "*" if numbers is None else ",".join(_ranges(sorted(numbers)))


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    """Three and more in a row as a range: 1, 2, 3, 7 as 1-3 and 7."""
    begin = 0
    for index in range(1, len(numbers) + 1):
        if index < len(numbers) and numbers[index] == numbers[index - 1] + 1:
            continue
        row = numbers[begin:index]
        yield from [f"{row[0]}-{row[-1]}"] if len(row) > 2 else map(str, row)  # noqa: PLR2004 - two are as short apart
        begin = index
