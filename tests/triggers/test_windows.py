"""Windows, around shifts of the clock, against a walk through every minute."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.triggers.schedule import ScheduleTriggerConfig, fires_between
from shared.triggers.windows import DAYS, Window

MINUTE = timedelta(minutes=1)
AROUND = [
    ("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 4, 4, 12, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 9, 5, 12, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 0, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, 12, tzinfo=UTC)),
    ("UTC", datetime(2026, 2, 28, 12, tzinfo=UTC)),
]
WALK = 3 * 24 * 60

times = st.tuples(st.integers(0, 23), st.sampled_from([0, 15, 30])).map(lambda at: f"{at[0]:02}:{at[1]:02}")
windows = st.fixed_dictionaries(
    {
        "days": st.lists(st.sampled_from(DAYS), min_size=3, unique=True),
        "hours": st.lists(st.fixed_dictionaries({"from": times, "until": times}), max_size=2),
        "outside": st.sampled_from(["skip", "defer"]),
    }
)


def wall(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def walked_opening(window: Window, zone: str, at: datetime) -> datetime | None:
    minutes = (at + number * MINUTE for number in range(9 * 24 * 60))
    return next((minute for minute in minutes if window.is_open(wall(minute, zone))), None)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(windows, st.sampled_from(AROUND), st.integers(0, 2 * 24 * 60))
def test_the_opening_is_the_first_open_minute(given_window, around, offset):
    zone, begin = around
    window, at = Window.model_validate(given_window), begin + offset * MINUTE

    assert window.opening(at, ZoneInfo(zone)) == walked_opening(window, zone, at)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(windows, st.sampled_from(AROUND), st.sampled_from([(20,), (0, 30), (45,)]), st.sampled_from([1, 2, 5]))
def test_fire_times_are_those_of_a_walk(given_window, around, minutes, step):
    zone, begin = around
    window, seen, expected = Window.model_validate(given_window), set(), []
    for number in range(-4 * 24 * 60, WALK):  # what was deferred before the beginning fires after it
        at = begin + number * MINUTE
        shown = wall(at, zone)
        if shown not in seen and shown.minute in minutes and shown.hour % step == 0:
            opening = walked_opening(window, zone, at) if window.outside == "defer" else at
            if opening is not None and window.is_open(wall(opening, zone)):
                expected.append(opening)
        seen.add(shown)
    end = begin + WALK * MINUTE
    cron = f"{','.join(map(str, minutes))} */{step} * * *"
    config = ScheduleTriggerConfig.model_validate({"cron": cron, "timezone": zone, "window": given_window})

    found = list(fires_between(config, begin, end - MINUTE))

    assert found == sorted({at for at in expected if begin < at < end})
    assert all(first < second for first, second in pairwise(found))
