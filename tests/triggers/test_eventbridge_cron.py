"""Translated cron expressions fire when croniter says that the original does, over years of dates.

The evaluator here knows EventBridge's fields from their documentation and shares nothing with the translation.
Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html
"""

from calendar import month_abbr, monthrange
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.triggers.eventbridge_cron import eventbridge_crons, eventbridge_expressions
from shared.triggers.schedule import ScheduleTriggerConfig

NAMES = {
    3: dict(zip(map(str.upper, month_abbr[1:]), range(1, 13), strict=True)),
    4: dict(zip(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), range(1, 8), strict=True)),
}
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199)]


def numbers(field: str, index: int) -> set[int]:
    """What one field of EventBridge names: `*`, lists, ranges, increments (`1/10`: every tenth from the first)."""
    low, high = RANGES[index]
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        read = [int(NAMES.get(index, {}).get(text, text)) for text in (first, last) if text not in ("", "*")]
        begin = read[0] if read else low
        end = read[1] if len(read) == 2 else (high if step or first == "*" else begin)
        assert low <= begin <= end <= high, field
        found |= set(range(begin, end + 1, int(step or 1)))
    return found


def evaluate(expression: str, first: datetime, last: datetime) -> set[datetime]:
    """The wall-clock times from `first` up to `last` that an expression of EventBridge Scheduler names."""
    assert expression.startswith("cron(")
    assert len(expression) <= 256
    fields = expression[5:-1].split()
    assert len(fields) == 6
    assert [fields[2], fields[4]].count("?") == 1, "one of the days is ?, never both and never none"
    minutes, hours, months, years = (numbers(fields[index], index) for index in (0, 1, 3, 5))
    found: set[datetime] = set()
    for year, month in product(sorted(years & set(range(first.year, last.year + 1))), sorted(months)):
        for day in range(1, monthrange(year, month)[1] + 1):
            at = datetime(year, month, day)  # noqa: DTZ001 - the wall clock
            matches = (
                day in numbers(fields[2], 2) if fields[4] == "?" else at.isoweekday() % 7 + 1 in numbers(fields[4], 4)
            )
            if matches:
                found |= {at.replace(hour=hour, minute=minute) for hour in hours for minute in minutes}
    return {at for at in found if first <= at < last}


def reference(expression: str, first: datetime, last: datetime) -> set[datetime]:
    cron, found = croniter(expression, first - timedelta(minutes=1), ret_type=datetime), set()
    while (at := cron.get_next()) < last:
        found.add(at)
    return found


def assert_same(expression: str, first: datetime, last: datetime) -> None:
    translated = eventbridge_crons(expression)
    found = set().union(*(evaluate(text, first, last) for text in translated))
    assert found == reference(expression, first, last), translated


@pytest.mark.parametrize(
    "expression",
    [
        "0 9 * * *",
        "0 0 1 * *",
        "30 6 1,15 * *",
        "15 10 * * MON-FRI",
        "0 12 * * SUN",
        "0 12 * * 7",
        "0 12 * * 0",
        "0 12 * * 5-7",
        "0 8 13 * FRI",
        "0 8 */10 * 1-3",
        "0 0 29 2 *",
        "0 0 31 * *",
        "59 23 28-31 */3 *",
        "5,10,55 */7 2-30/9 JAN-JUN/2 *",
        "0 4 8-14 * SAT,sun",
        "0 0 1 1 MON",
    ],
)
def test_over_ten_years(expression):
    assert_same(expression, datetime(2020, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001 - the wall clock


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    spans = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(spans | st.just("*"), st.integers(1, high)).map(lambda each: f"{each[0]}/{each[1]}")
    parts = st.lists(number.map(str) | spans | steps, min_size=1, max_size=3).map(",".join)
    return st.just("*") | parts


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join))
def test_any_expression_over_three_months_of_a_leap_year(expression):
    minute, hour, *days = expression.split()
    first, last = datetime(2024, 1, 20), datetime(2024, 4, 20)  # noqa: DTZ001 - the wall clock
    assert_same(f"17 3,21 {' '.join(days)}", first, last)
    assert_same(f"{minute} {hour} 1 * *", first, last)


def test_the_longest_expressions_fit():
    odd = ",".join(f"{number},{number + 1}" for number in range(0, 59, 3))
    longest = f"{odd} {odd[: odd.index('24') - 1]} {odd[odd.index('3') : odd.index('30') + 5]} 1,3,5,7,9,11 *"

    assert max(len(text) for text in eventbridge_crons(longest)) <= 256


def test_both_days_become_two_schedules():
    assert eventbridge_crons("0 8 13 * FRI") == ["cron(0 8 13 * ? *)", "cron(0 8 ? * 6 *)"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"cron": "*/20 9-17 * * MON-FRI"}, "cron(0,20,40 9-17 ? * 2-6 *)"),
        ({"cron": "* * * * *"}, "cron(* * * * ? *)"),
        ({"rate": {"value": 1, "unit": "hours"}}, "rate(1 hour)"),
        ({"rate": {"value": 15, "unit": "minutes"}}, "rate(15 minutes)"),
        ({"at": "2026-07-01T10:00:00Z"}, "at(2026-07-01T12:00:00)"),
    ],
)
def test_expressions(config, expected):
    made = ScheduleTriggerConfig.model_validate({**config, "timezone": "Europe/Berlin", "start": "2026-01-01T00:00:00"})

    (found,) = eventbridge_expressions(made)

    assert (found.expression, found.timezone) == (expected, "Europe/Berlin")
    assert (found.start, found.end) == (datetime(2025, 12, 31, 23, tzinfo=UTC), None)
