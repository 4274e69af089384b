"""Fire times in twelve zones over five years equal a reference that knows nothing of cron libraries.

The reference walks through time minute by minute in UTC around every shift of the clock, and asks zoneinfo what clocks
show then: a schedule fires at the first minute of real time that shows a time of day that it names.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from shared.triggers.cron import last_instant
from shared.triggers.schedule import ScheduleTriggerConfig, fires_between

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",  # winter time is the exception there
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",  # half an hour beside the others
    "America/Santiago",  # shifts at midnight
    "Australia/Lord_Howe",  # shifts by half an hour
    "Asia/Kathmandu",  # a quarter of an hour, and never shifts
    "Africa/Cairo",  # shifts at midnight, again since 2023
    "Pacific/Chatham",  # shifts at 2:45
]
FIRST, LAST = datetime(2022, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MINUTE, DAY, NEAR = timedelta(minutes=1), timedelta(days=1), timedelta(hours=5)


@cache
def shifts(zone: str) -> list[datetime]:
    """The first minutes (UTC) after each change of the offset."""
    info, found, at = ZoneInfo(zone), [], FIRST - DAY
    while at < LAST + DAY:
        if at.astimezone(info).utcoffset() != (at + DAY).astimezone(info).utcoffset():
            minutes = (at + number * MINUTE for number in range(1, 24 * 60 + 1))
            found.append(
                next(m for m in minutes if m.astimezone(info).utcoffset() != (m - MINUTE).astimezone(info).utcoffset())
            )
        at += DAY
    return found


def shown(zone: str, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """(moment, wall time) of every minute of real time."""
    info = ZoneInfo(zone)
    for number in range(int((end - begin) / MINUTE)):
        at = begin + number * MINUTE
        yield at, at.astimezone(info).replace(tzinfo=None, fold=0)


def minutely(zone: str, shift: datetime, named) -> list[datetime]:
    """Every fire time around a shift, by what clocks show and have shown."""
    seen: set[datetime] = set()
    fires = []
    for at, wall in shown(zone, shift - 2 * NEAR, shift + NEAR):
        if wall not in seen and named(wall) and at >= shift - NEAR:
            fires.append(at)
        seen.add(wall)
    return fires


def daily(zone: str, at: time) -> list[datetime]:
    """One fire time a date, where clocks show `at` on that date; found by trying both readings of zoneinfo."""
    info, day, fires = ZoneInfo(zone), date(2021, 12, 30), []
    while day < date(2027, 1, 3):
        readings = {datetime.combine(day, at, info).replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
        real = [r for r in readings if r.astimezone(info).replace(tzinfo=None, fold=0) == datetime.combine(day, at)]
        fires += [min(real)] if real else []
        day += DAY
    return [fire for fire in fires if FIRST <= fire < LAST]


def fires(cron: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    config = ScheduleTriggerConfig(cron=cron, timezone=zone)
    return list(fires_between(config, begin - MINUTE / 2, end - MINUTE / 2))


def test_the_zones_shift_as_their_comments_say():
    assert [len(shifts(zone)) for zone in ZONES] == [0, 10, 10, 10, 10, 10, 10, 10, 10, 0, 8, 10]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "at", [time(0), time(0, 30), time(1, 15), time(2), time(2, 30), time(2, 59), time(3), time(12)]
)
def test_once_a_day_over_five_years(zone, at):
    assert fires(f"{at.minute} {at.hour} * * *", zone, FIRST, LAST) == daily(zone, at)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("cron", "named"),
    [
        ("* * * * *", lambda wall: True),
        ("*/15 * * * *", lambda wall: wall.minute % 15 == 0),
        ("45 */2 * * *", lambda wall: wall.minute == 45 and wall.hour % 2 == 0),
        ("5,35 0-3 * * SUN", lambda wall: wall.minute in (5, 35) and wall.hour <= 3 and wall.isoweekday() == 7),
    ],
)
def test_minute_by_minute_around_every_shift(zone, cron, named):
    for shift in shifts(zone):
        assert fires(cron, zone, shift - NEAR, shift + NEAR) == minutely(zone, shift, named)


@pytest.mark.parametrize("zone", ZONES)
def test_looking_back_finds_what_looking_forward_found(zone):
    info = ZoneInfo(zone)
    for shift in shifts(zone):
        begin, end = shift - timedelta(hours=3), shift + timedelta(hours=3)
        forward = fires("*/10 * * * *", zone, begin - DAY, end)
        at = begin
        while at < end:
            expected = max(fire for fire in forward if fire <= at)
            assert last_instant("*/10 * * * *", info, at) == expected, at
            at += 7 * MINUTE


def test_a_rate_counts_elapsed_time():
    config = ScheduleTriggerConfig.model_validate(
        {"rate": {"value": 1, "unit": "days"}, "start": "2026-03-28T12:00:00", "timezone": "Europe/Berlin"}
    )
    begin = datetime(2026, 3, 28, tzinfo=UTC)

    local = [fire.astimezone(config.zone).hour for fire in fires_between(config, begin, begin + 3 * DAY)]

    assert local == [12, 13, 13]


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        ("30 2 * * *", date(2026, 3, 29), []),
        ("30 2 * * *", date(2026, 10, 25), ["00:30"]),
        ("0 3 * * *", date(2026, 3, 29), ["01:00"]),
        ("0 3 * * *", date(2026, 10, 25), ["02:00"]),
        ("*/15 1-3 * * *", date(2026, 3, 29), ["00:00", "00:15", "00:30", "00:45", "01:00", "01:15", "01:30", "01:45"]),
        ("*/30 2-3 * * *", date(2026, 10, 25), ["00:00", "00:30", "02:00", "02:30"]),
    ],
)
def test_the_table_of_the_documentation(cron, day, expected):
    begin = datetime.combine(day, time(0), ZoneInfo("Europe/Berlin")).astimezone(UTC)

    assert [fire.strftime("%H:%M") for fire in fires(cron, "Europe/Berlin", begin, begin + DAY)] == expected
