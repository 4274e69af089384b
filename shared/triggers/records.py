"""Stored triggers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class TriggerType(StrEnum):
    WEBHOOK = "webhook"
    SCHEDULE = "schedule"
    EVENT = "event"
    POLLING = "polling"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Trigger:
    id: str
    project_id: str
    workflow_id: str
    type: TriggerType
    config: dict[str, Any]
    """Without secrets: they are in the registration, encrypted."""
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookRegistration:
    """A public URL path and what a delivery to it must prove."""

    id: str
    project_id: str
    workflow_id: str
    trigger_id: str
    path: str
    secret: bytes | None
    """Ciphertext of the signing secret."""
    config: dict[str, Any]
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """All that the receiver needs to answer one delivery, read in one query."""

    registration: WebhookRegistration
    workflow_status: str
    workflow_name: str
    version: int
    input_schema: dict[str, Any] | None
    mode: str
    flow_control: dict[str, Any] | None = None
