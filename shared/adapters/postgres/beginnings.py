"""Which executions may begin, and have yet to be told so: for a stage on which no worker claims them.

Terms:
  may begin    no limit holds the execution up any more: admission admitted it, or flow control let it begin
  handed over  whoever starts executions was told so. Only then its row says it: what was being told when a process died
               is told once more
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import ARRAY, Row, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.backlog import request_of
from shared.adapters.postgres.engine import transaction
from shared.executions.records import StartRequest

_MOST = 100
"""At a time: so long their rows are locked."""

# `workflow` steps from one workflow with admitted executions to the next along the index, however many others wait.
# `-infinity` is what admission and flow control write when they let an execution begin.
_READY = text(
    """
    WITH RECURSIVE workflow (id) AS (
        (SELECT workflow_id FROM workflow_executions
         WHERE admission = 'admitted' AND status IN ('queued', 'running') ORDER BY workflow_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.workflow_id FROM workflow_executions AS e
                WHERE e.admission = 'admitted' AND e.status IN ('queued', 'running') AND e.workflow_id > w.id
                ORDER BY e.workflow_id LIMIT 1)
        FROM workflow AS w WHERE w.id IS NOT NULL
    ), ready (id) AS (
        SELECT e.id FROM workflow AS w JOIN workflow_executions AS e ON e.workflow_id = w.id
        WHERE e.admission = 'admitted' AND e.status IN ('queued', 'running')
        UNION ALL
        SELECT execution_id FROM flow_entries WHERE state = 'begun'
    )
    SELECT e.id, e.project_id, e.workflow_id, e.version, e.input, e.context, e.created_at, e.trigger_id,
           e.idempotency_key, e.request_digest, e.priority
    FROM workflow_executions AS e
    WHERE e.id IN (SELECT id FROM ready) AND e.status = 'queued' AND e.claimable_at = '-infinity'
    ORDER BY e.priority DESC, e.id LIMIT :most FOR UPDATE OF e SKIP LOCKED
    """
)
_HANDED = text("UPDATE workflow_executions SET claimable_at = now() WHERE id = ANY(:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid(as_uuid=False)))
)


class PostgresBeginnings:
    """Hands over what may begin."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def hand_over(self, start: Callable[[StartRequest], Awaitable[None]]) -> int:
        """Gives some to `start`, those of high priority first; how many. Two that do so at once skip each other's.

        Raises:
            StoreUnavailable: some may have been handed over, and will be once more. As does whatever `start` raises.
        """
        async with transaction(self._engine) as connection:
            rows: list[Row[Any]] = list((await connection.execute(_READY, {"most": _MOST})).all())
            await asyncio.gather(*(start(request_of(row)) for row in rows))
            if rows:
                await connection.execute(_HANDED, {"ids": [str(row.id) for row in rows]})
        return len(rows)
