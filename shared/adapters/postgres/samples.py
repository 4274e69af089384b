"""WebhookSamples on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import webhook_samples
from shared.ports.samples import WebhookSamples
from shared.triggers.samples import MOST_SAMPLES, WebhookSample

_s = webhook_samples.c


class PostgresWebhookSamples(WebhookSamples):
    """A few rows for each webhook."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, sample: WebhookSample) -> None:
        """Keeps it, and of its webhook the newest only."""
        newest = select(_s.id).where(_s.trigger_id == sample.trigger_id).order_by(_s.id.desc()).limit(MOST_SAMPLES)
        older = and_(_s.trigger_id == sample.trigger_id, _s.id.not_in(newest))
        async with transaction(self._engine) as connection:
            await connection.execute(insert(webhook_samples).values(asdict(sample)))
            await connection.execute(delete(webhook_samples).where(older))

    async def list(self, project_id: str, trigger_id: str) -> Sequence[WebhookSample]:
        """Newest first."""
        query = select(webhook_samples).where(_s.project_id == project_id, _s.trigger_id == trigger_id)
        async with transaction(self._engine) as connection:
            rows = await connection.execute(query.order_by(_s.id.desc()))
            return [WebhookSample(**row._asdict()) for row in rows]

    async def clear(self, project_id: str, trigger_id: str) -> None:
        """Removes those of the webhook."""
        ours = (_s.project_id == project_id, _s.trigger_id == trigger_id)
        async with transaction(self._engine) as connection:
            await connection.execute(delete(webhook_samples).where(*ours))
