"""When schedules fire: windows, bounds, jitter, missed runs."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.triggers.due import GRACE, due_fires, due_time
from shared.triggers.schedule import ScheduleTriggerConfig, jitter, newest_fires, next_fire, next_fires

OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "hours": [{"from": "09:00", "until": "17:00"}]}
FRIDAY = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def config(**fields) -> ScheduleTriggerConfig:
    return ScheduleTriggerConfig.model_validate({"cron": "0 * * * *", **fields})


def shown(made: ScheduleTriggerConfig, count: int, after: datetime = FRIDAY) -> list[str]:
    return [fire.astimezone(made.zone).strftime("%a %d %H:%M") for fire in next_fires(made, after, count)]


def test_outside_of_a_window_nothing_fires():
    made = config(cron="0 */4 * * *", window=OFFICE)

    assert shown(made, 3) == ["Fri 06 16:00", "Mon 09 12:00", "Mon 09 16:00"]


def test_deferred_times_meet_at_the_opening_and_fire_once():
    made = config(cron="30 */4 * * *", window={**OFFICE, "outside": "defer"})

    assert shown(made, 4) == ["Fri 06 12:30", "Fri 06 16:30", "Mon 09 09:00", "Mon 09 12:30"]


def test_an_opening_that_is_still_to_come_counts_from_within_the_closed_time():
    made = config(cron="0 20 * * FRI", window={**OFFICE, "outside": "defer"})

    assert shown(made, 1, FRIDAY + 40 * HOUR) == ["Mon 09 09:00"]
    assert shown(made, 1, FRIDAY + 80 * HOUR) == ["Mon 16 09:00"]


def test_excluded_dates_of_several_calendars():
    calendars = [
        {"name": "holidays", "excluded_dates": ["2026-03-09"]},
        {"name": "b", "excluded_dates": ["2026-03-10"]},
    ]
    made = config(cron="0 12 * * *", window={**OFFICE, "calendars": calendars})

    assert shown(made, 2) == ["Wed 11 12:00", "Thu 12 12:00"]


def test_hours_past_midnight():
    made = config(cron="0 */2 * * *", window={"hours": [{"from": "22:00", "until": "02:00"}]})

    assert shown(made, 4) == ["Fri 06 22:00", "Sat 07 00:00", "Sat 07 22:00", "Sun 08 00:00"]


def test_a_window_that_a_shift_leaves_out_opens_at_the_shift():
    made = config(
        cron="0 1 * * *",
        timezone="Europe/Berlin",
        window={"hours": [{"from": "02:30", "until": "05:00"}], "outside": "defer"},
    )

    assert shown(made, 2, datetime(2026, 3, 28, 12, tzinfo=UTC)) == ["Sun 29 03:00", "Mon 30 02:30"]


def test_start_and_end_are_included():
    made = config(start="2026-03-07T00:00:00Z", end="2026-03-07T02:00:00Z")

    assert shown(made, 9) == ["Sat 07 00:00", "Sat 07 01:00", "Sat 07 02:00"]


def test_a_rate_begins_at_its_start():
    made = config(cron=None, rate={"value": 90, "unit": "minutes"}, start="2026-03-06T12:10:00Z")

    assert shown(made, 3) == ["Fri 06 12:10", "Fri 06 13:40", "Fri 06 15:10"]
    assert next_fire(made, FRIDAY + timedelta(minutes=10)) == FRIDAY + timedelta(minutes=100)


def test_deferral_past_the_end_does_not_fire():
    made = config(cron="0 20 6 3 *", end="2026-03-07T00:00:00Z", window={**OFFICE, "outside": "defer"})

    assert shown(made, 1) == []


def test_jitter_is_the_same_for_the_same_time_and_spreads_over_triggers():
    made = config(jitter_seconds=300)

    amounts = [jitter(made, f"t{number}", FRIDAY).total_seconds() for number in range(500)]

    assert amounts == [jitter(made, f"t{number}", FRIDAY).total_seconds() for number in range(500)]
    assert (min(amounts) >= 0, max(amounts) <= 300, len(set(amounts)) > 200) == (True, True, True)
    assert jitter(config(), "t1", FRIDAY) == timedelta()


def test_looking_back_over_a_long_time():
    since = FRIDAY - timedelta(days=2_000)

    assert newest_fires(config(), since, FRIDAY, 3) == [FRIDAY - 2 * HOUR, FRIDAY - HOUR, FRIDAY]
    assert newest_fires(config(), FRIDAY - HOUR, FRIDAY, 9) == [FRIDAY - HOUR, FRIDAY]


@pytest.mark.parametrize("late", [timedelta(), GRACE])
@pytest.mark.parametrize("policy", ["skip", "run_latest", "run_all"])
def test_what_is_on_time_runs(policy, late):
    due = due_fires(config(missed={"policy": policy}), "t", FRIDAY, FRIDAY + late)

    assert (due.fires, due.missed, due.next) == ([FRIDAY], False, FRIDAY + HOUR)


@pytest.mark.parametrize(("policy", "fires"), [("skip", []), ("run_latest", [FRIDAY]), ("run_all", [FRIDAY])])
def test_what_is_later_than_the_grace_was_missed(policy, fires):
    due = due_fires(config(missed={"policy": policy}), "t", FRIDAY, FRIDAY + GRACE + timedelta(seconds=1))

    assert (due.fires, due.missed) == (fires, True)


def test_jitter_is_waited_for_before_a_time_is_due():
    made = config(jitter_seconds=3_600)
    name = next(name for name in map(str, range(99)) if jitter(made, name, FRIDAY) > timedelta(minutes=10))

    early = due_fires(made, name, FRIDAY, FRIDAY + timedelta(minutes=10))
    late = due_fires(made, name, FRIDAY, due_time(made, name, FRIDAY))

    assert (early.fires, early.missed, early.next) == ([], False, FRIDAY)
    assert (late.fires, late.missed) == ([FRIDAY], False)
