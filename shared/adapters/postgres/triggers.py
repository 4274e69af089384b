"""TriggerStore on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import Pooled, transaction
from shared.adapters.postgres.tables import triggers, webhook_registrations
from shared.adapters.postgres.webhook_targets import PostgresWebhookTargets, registration_of
from shared.errors import Conflict
from shared.ids import is_id
from shared.ports import Page, TriggerStore
from shared.triggers.records import Trigger, TriggerType, WebhookRegistration, WebhookTarget


class PostgresTriggers(TriggerStore):
    """Triggers, and the webhook registrations that belong to some of them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._targets = PostgresWebhookTargets(Pooled(engine))

    async def create(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None:
        """Keeps both in one transaction. Raises Conflict where the webhook's path is taken."""
        try:
            async with transaction(self._engine) as connection:
                await connection.execute(insert(triggers).values(asdict(trigger)))
                if webhook is not None:
                    await connection.execute(insert(webhook_registrations).values(asdict(webhook)))
        except IntegrityError as error:
            raise _translated(error, webhook) from None

    async def get(self, project_id: str, trigger_id: str) -> Trigger | None:
        if not is_id(trigger_id):
            return None
        async with transaction(self._engine) as connection:
            row = (await connection.execute(select(triggers).where(_key(project_id, trigger_id)))).one_or_none()
        return None if row is None else _trigger(row)

    async def list(self, project_id: str, workflow_id: str) -> Sequence[Trigger]:
        """Oldest first."""
        if not is_id(workflow_id):
            return []
        query = select(triggers).where(triggers.c.project_id == project_id, triggers.c.workflow_id == workflow_id)
        async with transaction(self._engine) as connection:
            return [_trigger(row) for row in await connection.execute(query.order_by(triggers.c.id))]

    async def update(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None:
        """Stores the fields of both in one transaction. Raises Conflict where the webhook's path is taken."""
        change = update(triggers).where(_key(trigger.project_id, trigger.id)).values(asdict(trigger))
        try:
            async with transaction(self._engine) as connection:
                await connection.execute(change)
                if webhook is not None:
                    await connection.execute(_update_registration(webhook))
        except IntegrityError as error:
            raise _translated(error, webhook) from None

    async def delete(self, project_id: str, trigger_id: str) -> None:
        """A webhook's registration goes with its trigger."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(triggers).where(_key(project_id, trigger_id)))

    async def webhooks(
        self, project_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WebhookRegistration]:
        """Newest first. Raises InvalidParameter for a bad cursor."""
        query = select(webhook_registrations).where(webhook_registrations.c.project_id == project_id)
        if cursor is not None:
            query = query.where(webhook_registrations.c.id < decode_cursor(cursor))
        query = query.order_by(webhook_registrations.c.id.desc()).limit(limit + 1)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return page(rows, limit, registration_of)

    async def webhook_of(self, project_id: str, trigger_id: str) -> WebhookRegistration | None:
        if not is_id(trigger_id):
            return None
        columns = webhook_registrations.c
        query = select(webhook_registrations).where(columns.project_id == project_id, columns.trigger_id == trigger_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else registration_of(row)

    async def target(self, path: str) -> WebhookTarget | None:
        """What a delivery to `path` would start, deleted and paused workflows included."""
        return await self._targets.target(path)


def _update_registration(webhook: WebhookRegistration) -> Any:
    columns = webhook_registrations.c
    ours = and_(columns.project_id == webhook.project_id, columns.id == webhook.id)
    return update(webhook_registrations).where(ours).values(asdict(webhook))


def _key(project_id: str, trigger_id: str) -> ColumnElement[bool]:
    return and_(triggers.c.project_id == project_id, triggers.c.id == trigger_id)


def _translated(error: IntegrityError, webhook: WebhookRegistration | None) -> Exception:
    if webhook is None or "uq_webhook_registrations_path" not in str(error.orig):
        return error
    return Conflict(
        f"Another webhook is registered at the path '{webhook.path}'. Choose another path, or leave it out to get a "
        "new one that cannot be guessed.",
        path=webhook.path,
    )


def _trigger(row: Row[Any]) -> Trigger:
    return Trigger(
        id=row.id,
        project_id=row.project_id,
        workflow_id=row.workflow_id,
        type=TriggerType(row.type),
        config=row.config,
        is_active=row.is_active,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
