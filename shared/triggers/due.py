"""Which fire times of a schedule have to run now, after it was last looked at some time ago.

A fire time is on time until GRACE after its due time, and missed from then on: nobody looked while it was on time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.triggers.schedule import ScheduleTriggerConfig, fires_between, jitter, newest_fires, next_fire

GRACE = timedelta(seconds=60)
"""How exact a schedule is: EventBridge Scheduler promises a start within 60 s, too.

Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Due:
    """`fires` have to run now, in order; `missed` says whether fire times passed unseen, whatever became of them."""

    fires: list[datetime]
    missed: bool
    next: datetime | None
    """The fire time to wait for."""


def due_fires(config: ScheduleTriggerConfig, trigger_id: str, since: datetime, now: datetime) -> Due:
    """What the missed-run policy makes of the fire times from `since`, the first that did not run, until `now`.

    `skip` runs those that are on time. `run_all` runs the newest `max_runs` missed ones and then those on time.
    `run_latest` runs the newest of all where any was missed, and otherwise those on time.
    """
    recent_from = max(since, now - GRACE - timedelta(seconds=config.jitter_seconds))
    recent = list(fires_between(config, recent_from - _TICK, now))
    due_at = {fire: fire + jitter(config, trigger_id, fire) for fire in recent}
    waiting = next((fire for fire in recent if due_at[fire] > now), None)
    due = [fire for fire in recent if waiting is None or fire < waiting]
    on_time = [fire for fire in due if now - due_at[fire] <= GRACE]
    missed = [fire for fire in due if fire not in on_time]
    if recent_from > since:
        missed = [*newest_fires(config, since, recent_from - _TICK, _wanted(config)), *missed]
    return Due(
        fires=_chosen(config, missed, on_time),
        missed=bool(missed),
        next=waiting or next_fire(config, now),
    )


def _wanted(config: ScheduleTriggerConfig) -> int:
    return config.missed.max_runs if config.missed.policy == "run_all" else 1


def _chosen(config: ScheduleTriggerConfig, missed: list[datetime], on_time: list[datetime]) -> list[datetime]:
    if config.missed.policy == "run_all":
        return [*missed[-config.missed.max_runs :], *on_time]
    if config.missed.policy == "run_latest" and missed:
        return [*missed, *on_time][-1:]
    return on_time


def due_time(config: ScheduleTriggerConfig, trigger_id: str, fire: datetime) -> datetime:
    """When the run of `fire` starts."""
    return fire + jitter(config, trigger_id, fire)


def too_late(config: ScheduleTriggerConfig, fire: datetime, now: datetime) -> str | None:
    """Why a single fire time does not run any more, as `due_fires` would have it; None where it does.

    For schedules of which somebody else tells each fire time by itself, as EventBridge Scheduler does: of those that
    were missed the newest is known by there being none between it and now.
    """
    if now - fire <= GRACE + timedelta(seconds=config.jitter_seconds):
        return None
    if config.missed.policy == "skip":
        return "It was missed, and the policy is to skip what was missed."
    newer = len(newest_fires(config, fire + _TICK, now, _wanted(config)))
    return f"It was missed, and {newer} newer fire times run." if newer >= _wanted(config) else None
