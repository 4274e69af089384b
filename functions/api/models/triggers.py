"""Triggers and webhooks, as the API shows them. Secrets go in and never come out."""

from typing import Any

from pydantic import BaseModel, Field, SecretStr

from functions.api.models.common import Body, Timestamp
from shared.triggers import records
from shared.triggers.records import TriggerType
from shared.triggers.webhook import WebhookTriggerConfig

MAX_SECRET = 1_024
_CONFIG_EXAMPLE = {"path": "github-issues", "verification": {"scheme": "github"}}


class CreateTrigger(Body):
    type: TriggerType
    config: dict[str, Any] = Field(default_factory=dict, examples=[_CONFIG_EXAMPLE])
    secret: SecretStr | None = Field(default=None, min_length=1, max_length=MAX_SECRET)
    is_active: bool = True


class UpdateTrigger(Body):
    """Fields that are left out stay as they are."""

    type: TriggerType | None = Field(default=None, description="Cannot be changed; may be repeated.")
    config: dict[str, Any] | None = Field(default=None, examples=[_CONFIG_EXAMPLE])
    secret: SecretStr | None = Field(default=None, min_length=1, max_length=MAX_SECRET)
    keep_previous_secret: bool = Field(
        default=False,
        description="With a new `secret`: whether the ones before it prove a delivery too, until the next new one.",
    )
    is_active: bool | None = None


class WebhookRef(BaseModel):
    path: str = Field(examples=["github-issues"])
    url: str = Field(examples=["http://127.0.0.1:8000/webhooks/github-issues"])
    has_secret: bool


class TriggerOut(BaseModel):
    id: str
    workflow_id: str
    type: TriggerType
    config: dict[str, Any] = Field(examples=[_CONFIG_EXAMPLE])
    is_active: bool
    created_at: Timestamp
    updated_at: Timestamp
    webhook: WebhookRef | None

    @classmethod
    def of(cls, trigger: records.Trigger, base_url: str) -> "TriggerOut":
        """The stored trigger; `base_url` ends without a slash."""
        webhook = None
        if trigger.type == TriggerType.WEBHOOK:
            config = WebhookTriggerConfig.model_validate(trigger.config)
            webhook = _reference(config.path or "", base_url, has_secret=config.needs_secret)
        return cls(
            id=trigger.id,
            workflow_id=trigger.workflow_id,
            type=trigger.type,
            config=trigger.config,
            is_active=trigger.is_active,
            created_at=trigger.created_at,
            updated_at=trigger.updated_at,
            webhook=webhook,
        )


class WebhookOut(WebhookRef):
    id: str
    workflow_id: str
    trigger_id: str
    config: dict[str, Any] = Field(examples=[_CONFIG_EXAMPLE])
    is_active: bool
    created_at: Timestamp

    @classmethod
    def of(cls, webhook: records.WebhookRegistration, base_url: str) -> "WebhookOut":
        """The stored registration; `base_url` ends without a slash."""
        return cls(
            **dict(_reference(webhook.path, base_url, has_secret=webhook.secret is not None)),
            id=webhook.id,
            workflow_id=webhook.workflow_id,
            trigger_id=webhook.trigger_id,
            config=webhook.config,
            is_active=webhook.is_active,
            created_at=webhook.created_at,
        )


def _reference(path: str, base_url: str, *, has_secret: bool) -> WebhookRef:
    return WebhookRef(path=path, url=f"{base_url}/webhooks/{path}", has_secret=has_secret)
