"""WebhookSamples on PostgreSQL, without SQLAlchemy: the Lambda of webhooks has it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from shared.adapters.postgres.rows import document, rows
from shared.adapters.postgres.session import Database
from shared.ports.samples import WebhookSamples
from shared.triggers.samples import MOST_SAMPLES, WebhookSample

_INSERT = """
INSERT INTO webhook_samples (id, project_id, trigger_id, received_at, delivery, outcome, input, problem)
VALUES (%(id)s, %(project_id)s, %(trigger_id)s, %(received_at)s, %(delivery)s, %(outcome)s, %(input)s, %(problem)s)
"""
_FORGET = f"""
DELETE FROM webhook_samples WHERE trigger_id = %(trigger_id)s AND id NOT IN (
    SELECT id FROM webhook_samples WHERE trigger_id = %(trigger_id)s ORDER BY id DESC LIMIT {MOST_SAMPLES}
)
"""  # noqa: S608 - of a constant
_LIST = "SELECT * FROM webhook_samples WHERE project_id = %s AND trigger_id = %s ORDER BY id DESC"
_CLEAR = "DELETE FROM webhook_samples WHERE project_id = %s AND trigger_id = %s"


class PostgresWebhookSamples(WebhookSamples):
    """A few rows for each webhook."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, sample: WebhookSample) -> None:
        """Keeps it, and of its webhook the newest only."""
        documents = {name: document(getattr(sample, name)) for name in ("delivery", "input", "problem")}
        async with self._database.transaction() as connection:
            await connection.execute(_INSERT, asdict(sample) | documents)
            await connection.execute(_FORGET, {"trigger_id": sample.trigger_id})

    async def list(self, project_id: str, trigger_id: str) -> Sequence[WebhookSample]:
        """Newest first."""
        async with self._database.transaction() as connection:
            return [_sample(each) for each in await rows(connection, _LIST, (project_id, trigger_id))]

    async def clear(self, project_id: str, trigger_id: str) -> None:
        """Removes those of the webhook."""
        async with self._database.transaction() as connection:
            await connection.execute(_CLEAR, (project_id, trigger_id))


def _sample(found: Any) -> WebhookSample:
    ids = {name: str(getattr(found, name)) for name in ("id", "project_id", "trigger_id")}
    return WebhookSample(**found._asdict() | ids)
