"""Replays: events of the archive that are shown to chosen triggers once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class ReplayStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Replay:
    """Events that were taken in from `starts_at` until `ends_at`, that match `pattern` where there is one, go to the
    triggers once more; each trigger's own pattern counts too."""

    id: str
    project_id: str
    name: str
    pattern: dict[str, Any] | None
    trigger_ids: Sequence[str]
    starts_at: datetime
    ends_at: datetime
    status: ReplayStatus
    created_at: datetime
    completed_at: datetime | None = None
    cursor: str | None = None
    """Key of the last event that was looked at."""
    scanned: int = 0
    delivered: int = 0
    """Executions started, or found to be started."""
