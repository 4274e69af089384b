"""Durable executions that run, as those see them who look whether they still do."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.executions import durable
from shared.adapters.postgres.tables import UNFINISHED, workflow_executions
from shared.executions.records import ExecutionStatus, Watch

_c = workflow_executions.c


class PostgresRunning:
    """Of all projects."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def since(self, before: datetime, *, after: str | None, limit: int) -> Sequence[Watch]:
        """Durable executions that began before this time and have not ended, with an id above `after`, in order. Raises
        StoreUnavailable."""
        runs = (text(UNFINISHED), _c.status == ExecutionStatus.RUNNING.value)  # the first, for the index
        query = select(_c.project_id, _c.workflow_id, _c.id).where(*runs, _c.started_at < before, durable())
        if after is not None:
            query = query.where(_c.id > after)
        async with transaction(self._engine) as connection:
            rows = await connection.execute(query.order_by(_c.id).limit(limit))
            return [Watch(*row) for row in rows]
