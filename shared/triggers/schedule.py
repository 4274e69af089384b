"""The schedule trigger: what its config may say, and when it fires.

Terms:
  nominal time  what cron, rate or `at` names, within start and end
  fire time     a nominal time, or the opening of the window that it was deferred to; it names the run, so that
                no fire time runs twice
  due time      the fire time and its jitter: when the run starts

docs/triggers.md says what each field means for people; shared/triggers/cron.py what shifts of the clock do.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.clock import iso
from shared.errors import MalformedRequest
from shared.triggers import cron
from shared.triggers.templates import check_template, filled
from shared.triggers.windows import Window
from shared.workflow.expressions import ExpressionError

MAX_JITTER_SECONDS = 3_600
MAX_TRIES = 1_000
"""Nominal times in a row that may lie outside of the window before the schedule counts as one that never fires."""

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""As in EventBridge's cron expressions; calendars of computers end in 9999."""

_TICK = timedelta(microseconds=1)
_HORIZON = timedelta(days=40 * 366)


def _cron(text: str) -> str:
    cron.fields_of(text)
    return " ".join(text.split())


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"'{name}' is not an IANA timezone. Write one such as 'Europe/Berlin' or 'UTC'.")
    return name


CronText: TypeAlias = Annotated[str, AfterValidator(_cron)]
ZoneName: TypeAlias = Annotated[str, AfterValidator(_zone)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Rate(_Model):
    """Every so many minutes, hours or days of elapsed time, counted from `start`; a day is 24 hours.

    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#rate-based
    """

    value: int = Field(ge=1, le=100_000)
    unit: Literal["minutes", "hours", "days"]

    @property
    def interval(self) -> timedelta:
        return timedelta(**{self.unit: self.value})


class MissedRuns(_Model):
    """What becomes of fire times that passed while nothing ran here (a stopped process, a lost database)."""

    policy: Literal["skip", "run_latest", "run_all"] = "skip"
    max_runs: int = Field(default=100, ge=1, le=1_000, description="With `run_all`: the newest of them at most.")


class ScheduleTriggerConfig(_Model):
    """Config of a trigger of type `schedule`: one of `cron`, `rate` and `at`."""

    cron: CronText | None = Field(
        default=None, max_length=200, description="Five fields.", examples=["0 9 * * MON-FRI"]
    )
    rate: Rate | None = None
    at: datetime | None = Field(default=None, description="Once; without an offset, a time in `timezone`.")
    timezone: ZoneName = Field(default="UTC", examples=["Europe/Berlin"])
    start: datetime | None = Field(
        default=None, description="Nothing fires before; a rate counts from here. A rate without it starts at once."
    )
    end: datetime | None = Field(default=None, description="Nothing fires after.")
    window: Window | None = None
    missed: MissedRuns = Field(default_factory=MissedRuns)
    overlap: Literal["allow", "skip", "queue", "cancel_previous"] = Field(
        default="allow", description="What to do where an execution that this trigger started is not finished."
    )
    max_queued: int = Field(default=100, ge=1, le=1_000, description="With overlap `queue`: how many may wait.")
    jitter_seconds: int = Field(
        default=0, ge=0, le=MAX_JITTER_SECONDS, description="Runs start up to so much later, each by a fixed amount."
    )
    pause_after_failures: int = Field(
        default=20, ge=1, le=1_000, description="Fire times in a row that start nothing before it is switched off."
    )
    input: Any = Field(
        default=None,
        description="The workflow's input; expressions see `$fire` (`time`, `local_time`, `timezone`)."
        " By default that object itself.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if sum(each is not None for each in (self.cron, self.rate, self.at)) != 1:
            raise ValueError("give exactly one of 'cron', 'rate' and 'at'")
        for name in ("at", "start", "end"):
            given: datetime | None = getattr(self, name)
            if given is not None:
                self.__dict__[name] = self._instant(name, given)  # not by setattr, which would count as given
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"'end' ({self.end.isoformat()}) is before 'start' ({self.start.isoformat()})")
        check_template(self.input, {"fire"})
        return self

    def _instant(self, name: str, given: datetime) -> datetime:
        if not FIRST_YEAR <= given.year <= LAST_YEAR:
            raise ValueError(f"'{name}' is in the year {given.year}; allowed are {FIRST_YEAR} to {LAST_YEAR}")
        if given.tzinfo is not None:
            return given.astimezone(UTC)
        found = cron.instant_of(given, self.zone)
        if found is None:
            raise ValueError(f"'{name}' is {given.isoformat()}, which clocks in {self.timezone} never show")
        return found

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def input_of(self, at: datetime) -> Any:
        """The workflow's input at a fire time. Raises MalformedRequest where an expression fails."""
        local = at.astimezone(self.zone).isoformat(timespec="seconds")
        told = {"time": iso(at), "local_time": local, "timezone": self.timezone}
        if self.input is None:
            return told
        try:
            return filled(self.input, {"fire": told})
        except ExpressionError as error:
            raise MalformedRequest(f"The schedule's input cannot be made: {error.message}") from None


def next_fire(config: ScheduleTriggerConfig, after: datetime) -> datetime | None:
    """The first fire time after `after` (UTC); None where there is no further one."""
    if config.window is None:
        return _next_nominal(config, after)
    if config.window.outside == "defer":
        return _ended(config, _next_deferred(config, config.window, after))
    horizon = after + _HORIZON
    for _ in range(MAX_TRIES):
        fire = _next_nominal(config, after)
        opening = config.window.opening(fire, config.zone) if fire is not None and fire < horizon else None
        if opening is None or opening == fire:
            return opening
        after = opening - _TICK
    return None


def deferred_to(config: ScheduleTriggerConfig, nominal: datetime) -> datetime | None:
    """The opening to which a nominal time outside of the window is moved; None where a later nominal time comes before
    that or is moved there as well, and where there is no such opening."""
    opening, later = next_fire(config, nominal - _TICK), _next_nominal(config, nominal)
    return opening if opening is not None and (later is None or later > opening) else None


def fires_between(config: ScheduleTriggerConfig, after: datetime, until: datetime) -> Iterator[datetime]:
    """Fire times after `after` and up to `until`, in order."""
    fire = next_fire(config, after)
    while fire is not None and fire <= until:
        yield fire
        fire = next_fire(config, fire)


def next_fires(config: ScheduleTriggerConfig, after: datetime, count: int) -> list[datetime]:
    """The first `count` fire times after `after`."""
    return list(islice(fires_between(config, after, datetime.max.replace(tzinfo=UTC)), count))


def newest_fires(config: ScheduleTriggerConfig, since: datetime, until: datetime, count: int) -> list[datetime]:
    """The last `count` fire times from `since` to `until`, both included, oldest first.

    Looks back in growing steps, so that a long time before does not cost anything.
    """
    span = timedelta(hours=1)
    while True:
        begin = max(since, until - span)
        found = list(fires_between(config, begin - _TICK, until))
        if len(found) >= count or begin == since:
            return found[-count:]
        span *= 4


def jitter(config: ScheduleTriggerConfig, trigger_id: str, fire: datetime) -> timedelta:
    """How much later than `fire` the run starts: whole seconds, always the same for this trigger and time."""
    if not config.jitter_seconds:
        return timedelta()
    digest = hashlib.sha256(f"{trigger_id}/{fire.astimezone(UTC).isoformat()}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (config.jitter_seconds + 1))


def _next_nominal(config: ScheduleTriggerConfig, after: datetime) -> datetime | None:
    if config.start is not None:
        after = max(after, config.start - _TICK)
    if config.cron is not None:
        return _ended(config, cron.next_instant(config.cron, config.zone, after))
    if config.rate is not None:
        anchor, interval = _anchor(config), config.rate.interval
        return _ended(config, anchor + interval * max(0, (after - anchor) // interval + 1))
    return _ended(config, config.at) if config.at is not None and config.at > after else None


def _last_nominal(config: ScheduleTriggerConfig, until: datetime) -> datetime | None:
    if config.end is not None:
        until = min(until, config.end)
    if config.cron is not None:
        found = cron.last_instant(config.cron, config.zone, until)
    elif config.rate is not None:
        anchor, interval = _anchor(config), config.rate.interval
        found = anchor + interval * ((until - anchor) // interval)
    else:
        found = config.at if config.at is not None and config.at <= until else None
    return found if found is None or config.start is None or found >= config.start else None


def _next_deferred(config: ScheduleTriggerConfig, window: Window, after: datetime) -> datetime | None:
    """Of the nominal times that have passed only the last can wait for an opening that is still to come."""
    last = _last_nominal(config, after)
    opening = window.opening(last, config.zone) if last is not None else None
    if opening is not None and opening > after:
        return opening
    following = _next_nominal(config, after)
    return window.opening(following, config.zone) if following is not None else None


def _anchor(config: ScheduleTriggerConfig) -> datetime:
    return config.start or datetime(1970, 1, 1, tzinfo=UTC)


def _ended(config: ScheduleTriggerConfig, fire: datetime | None) -> datetime | None:
    if fire is None or fire.year > LAST_YEAR or (config.end is not None and fire > config.end):
        return None
    return fire
