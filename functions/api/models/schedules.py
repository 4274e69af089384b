"""Triggers that go by the clock, as the API shows them."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from functions.api.models.common import Body, Timestamp
from shared.triggers.records import TriggerType

MAX_RUNS = 100


class PreviewTrigger(Body):
    """A config that need not be stored."""

    type: TriggerType
    config: dict[str, Any] = Field(examples=[{"cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin"}])
    after: datetime | None = Field(default=None, description="With an offset; by default now.")
    count: int = Field(default=10, ge=1, le=MAX_RUNS)


class RunTime(BaseModel):
    time: Timestamp
    local_time: str = Field(examples=["2026-11-23T09:00:00+01:00"], description="What clocks in the timezone show.")


class NextRuns(BaseModel):
    """Fire times, without jitter; fewer than were asked for where there are no more."""

    timezone: str = Field(examples=["Europe/Berlin"])
    items: list[RunTime]

    @classmethod
    def of(cls, timezone: str, times: list[datetime]) -> "NextRuns":
        """The times as the zone's clocks show them."""
        zone = ZoneInfo(timezone)
        local = [(at, at.astimezone(zone).isoformat(timespec="seconds")) for at in times]
        return cls(timezone=timezone, items=[RunTime(time=at, local_time=shown) for at, shown in local])


class TriggerStateOut(BaseModel):
    """What a trigger remembers. `due_at` is when it is looked at next; null where nothing is to come."""

    due_at: Timestamp | None
    state: dict[str, Any] = Field(examples=[{"next_fire": "2026-11-23T09:00:00Z", "queue": [], "recent": []}])
