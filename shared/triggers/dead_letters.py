"""What a trigger wanted to start and could not, kept until somebody starts it again or puts it aside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.triggers.records import Trigger


class Stage(StrEnum):
    """Where it failed; `payload` of a letter holds what is needed to try again."""

    EVENT = "event"
    """An event of the bus: `{"event", "depth", "replay"}`."""
    SCHEDULE = "schedule"
    """A fire time: `{"fire_time"}`."""
    POLLING = "polling"
    """An item of a source: `{"input"}`."""
    WEBHOOK = "webhook"
    """A delivery that was answered before its workflow's rate limit refused it, on AWS: `{"input"}`."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What failed just now."""

    key: str
    """Of the start; the same failure is kept once."""
    project_id: str
    stage: Stage
    trigger: Trigger | None
    """None where it is no one trigger's fault."""
    code: str
    reason: str
    payload: dict[str, Any]


class LetterStatus(StrEnum):
    WAITING = "waiting"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be started, and why."""

    id: str
    project_id: str
    key: str
    """Idempotency key of the start."""
    stage: Stage
    trigger_id: str | None
    workflow_id: str | None
    code: str
    reason: str
    payload: dict[str, Any]
    status: LetterStatus
    attempts: int
    execution_id: str | None
    """What a redrive started."""
    created_at: datetime
    updated_at: datetime
