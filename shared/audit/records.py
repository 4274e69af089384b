"""Entries of the audit log."""

from dataclasses import dataclass
from datetime import datetime

NOTHING = "0" * 64
"""What stands before a chain's first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody did something. `before` and `after` are SHA-256 digests of the row; `hash` is that of the entry."""

    project_id: str
    seq: int
    at: datetime
    actor_kind: str
    actor_id: str | None
    address: str | None
    correlation_id: str | None
    action: str
    target_kind: str
    target_id: str | None
    target_name: str | None
    detail: str | None
    before: str | None
    after: str | None
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a project's chain ends, and where it begins since retention removed what is older."""

    seq: int = 0
    hash: str = NOTHING
    pruned_seq: int = 0
    pruned_hash: str = NOTHING


@dataclass(frozen=True, slots=True)
class Action:
    """What is written down of a deed that changes no watched table."""

    project_id: str
    action: str
    target_kind: str
    target_id: str | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; None is any. `action` may end in `*`."""

    actor_id: str | None = None
    action: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
