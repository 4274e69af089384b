"""Execution windows: when a schedule may fire.

Terms:
  open     a moment at which the wall clock of the schedule's zone shows an allowed day and an allowed hour
  opening  the first open moment at or after a given one
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from shared.triggers.cron import wall_of

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay: TypeAlias = Annotated[time, PlainSerializer(lambda at: at.strftime("%H:%M"), return_type=str)]

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_DAYS_CLOSED = 3_660
_MINUTE = timedelta(minutes=1)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Hours(_Model):
    """From a time of day until another, that one excluded; past midnight where `until` is not later."""

    from_: TimeOfDay = Field(alias="from", examples=["09:00"])
    until: TimeOfDay = Field(examples=["17:00"])

    def contains(self, at: time) -> bool:
        """Whether the wall clock's `at` is within."""
        if self.from_ < self.until:
            return self.from_ <= at < self.until
        return at >= self.from_ or at < self.until


class Calendar(_Model):
    """Dates on which nothing fires, under a name that says why."""

    name: str = Field(min_length=1, max_length=100, examples=["public holidays"])
    excluded_dates: list[date] = Field(min_length=1, max_length=1_000)


class Window(_Model):
    """When a schedule may fire; each part that is left out allows everything. The day of an hour past midnight is the
    date that the wall clock shows then."""

    days: list[Day] = Field(default_factory=list, max_length=7)
    hours: list[Hours] = Field(default_factory=list, max_length=10)
    calendars: list[Calendar] = Field(default_factory=list, max_length=10)
    outside: Literal["skip", "defer"] = Field(
        default="skip",
        description="What becomes of a fire time outside: `skip` leaves it out; `defer` moves it to the next opening,"
        " where those that were moved to the same opening fire once.",
    )

    def is_open(self, wall: datetime) -> bool:
        """Whether `wall` (without a zone) is allowed."""
        return self._allows(wall.date()) and (not self.hours or any(h.contains(wall.time()) for h in self.hours))

    def opening(self, instant: datetime, zone: ZoneInfo) -> datetime | None:
        """The first open moment at or after `instant` (UTC); None where MAX_DAYS_CLOSED pass without one."""
        wall = wall_of(instant, zone)
        if self.is_open(wall):
            return instant
        for number in range(-1, MAX_DAYS_CLOSED):  # a backward shift over midnight shows the day before again
            day = wall.date() + timedelta(days=number)
            if not self._allows(day):
                continue
            found = [
                each
                for start in {time(0), *(hours.from_ for hours in self.hours)}
                for each in _showings(datetime.combine(day, start), zone)
                if each >= instant and self.is_open(wall_of(each, zone))
            ]
            if found:
                return min(found)
        return None

    def _allows(self, day: date) -> bool:
        return (not self.days or DAYS[day.weekday()] in self.days) and not any(
            day in calendar.excluded_dates for calendar in self.calendars
        )


def _showings(wall: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The moments when clocks show `wall`; where a shift leaves it out, each minute of the hours around the shift."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    yield first
    yield second
    while second < first:  # never shown: the shift lies between the two readings
        second += _MINUTE
        yield second
