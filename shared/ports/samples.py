"""Samples of deliveries."""

from collections.abc import Sequence
from typing import Protocol

from shared.triggers.samples import WebhookSample


class WebhookSamples(Protocol):
    async def keep(self, sample: WebhookSample) -> None:
        """Keeps it, and of its webhook the newest MOST_SAMPLES only. Raises StoreUnavailable."""

    async def list(self, project_id: str, trigger_id: str) -> Sequence[WebhookSample]:
        """Newest first."""

    async def clear(self, project_id: str, trigger_id: str) -> None:
        """Removes those of the webhook."""
