"""WebhookTargets on PostgreSQL, without SQLAlchemy: the Lambda of webhooks has it."""

from collections.abc import Sequence
from typing import Any

from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.rows import rows
from shared.adapters.postgres.session import Database
from shared.ports.ingest import WebhookTargets
from shared.triggers.records import WebhookRegistration, WebhookTarget

_TARGETS = """
SELECT r.*, w.status AS workflow_status, w.name AS workflow_name, v.version, v.input_schema, v.mode, v.flow_control
FROM webhook_registrations AS r
JOIN workflows AS w ON w.id = r.workflow_id
JOIN workflow_versions AS v ON v.workflow_id = w.id AND v.version = w.version
WHERE r.path = ANY(%s::text[])
"""


class PostgresWebhookTargets(WebhookTargets):
    """Registered webhooks by their path."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: GroupCommit[str, WebhookTarget | None] = GroupCommit(self._find)

    async def target(self, path: str) -> WebhookTarget | None:
        """What a delivery to `path` would start, deleted and paused workflows included.

        Deliveries that come while a query runs share the next one, so each sees what was stored before it came.
        """
        return None if "\0" in path else await self._group.submit(path)

    async def _find(self, paths: Sequence[str]) -> Sequence[WebhookTarget | None]:
        async with self._database.transaction() as connection:
            found = {each.path: _target(each) for each in await rows(connection, _TARGETS, (list(set(paths)),))}
        return [found.get(path) for path in paths]


def _target(found: Any) -> WebhookTarget:
    return WebhookTarget(
        registration=registration_of(found),
        workflow_status=found.workflow_status,
        workflow_name=found.workflow_name,
        version=found.version,
        input_schema=found.input_schema,
        mode=found.mode,
        flow_control=found.flow_control,
    )


def registration_of(found: Any) -> WebhookRegistration:
    """From a row of webhook_registrations."""
    return WebhookRegistration(
        id=str(found.id),
        project_id=str(found.project_id),
        workflow_id=str(found.workflow_id),
        trigger_id=str(found.trigger_id),
        path=found.path,
        secret=found.secret,
        config=found.config,
        is_active=found.is_active,
        created_at=found.created_at,
    )
