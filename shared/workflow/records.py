"""Stored workflows: what the store keeps of a definition and of each published version."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class WorkflowStatus(StrEnum):
    """draft: never activated. active: triggers fire. paused: nothing starts. deleted: kept for its executions only."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Workflow:
    id: str
    project_id: str
    name: str
    description: str
    status: WorkflowStatus
    definition: dict[str, Any]
    version: int
    """The newest version; every accepted change of the definition adds one."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """An immutable, compiled version; executions name the one they run."""

    workflow_id: str
    project_id: str
    version: int
    definition: dict[str, Any]
    asl: dict[str, Any]
    source_map: dict[str, Any]
    """Which node each state stands for; see statemachines.compiler."""
    digest: str
    """SHA-256 of the canonical ASL, hex."""
    created_at: datetime
