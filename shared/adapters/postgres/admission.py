"""Admission on PostgreSQL: how many executions of a workflow and of a project run at once.

Those that have begun and not ended count, parked ones too, as Step Functions counts them. They are counted, not kept
in a counter that a crash could leave wrong; one process at a time admits, under an advisory lock.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.ports import Admission

_TRY = text("SELECT pg_try_advisory_xact_lock(hashtext('millrace admission'))")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('millrace admission'))")

# `workflow` steps from one workflow with waiting executions to the next along the index, however many wait. The limit
# of a workflow is that of its newest version. `nth` is the place of a candidate in its project.
_ADMIT = text(
    """
    WITH RECURSIVE workflow (id) AS (
        (SELECT workflow_id FROM workflow_executions
         WHERE admission = 'waiting' AND status IN ('queued', 'running') ORDER BY workflow_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.workflow_id FROM workflow_executions AS e
                WHERE e.admission = 'waiting' AND e.status IN ('queued', 'running') AND e.workflow_id > w.id
                ORDER BY e.workflow_id LIMIT 1)
        FROM workflow AS w WHERE w.id IS NOT NULL
    ), limited AS (
        SELECT f.id, f.project_id, p.max_concurrency AS project_limit, v.max_concurrency AS workflow_limit
        FROM workflow AS w JOIN workflows AS f ON f.id = w.id JOIN projects AS p ON p.id = f.project_id
        JOIN workflow_versions AS v ON v.workflow_id = f.id AND v.version = f.version
    ), project AS (
        SELECT l.project_id, min(l.project_limit) - (
            SELECT count(*) FROM workflow_executions AS e JOIN workflows AS f ON f.id = e.workflow_id
            WHERE f.project_id = l.project_id AND e.admission = 'admitted' AND e.status IN ('queued', 'running')
        ) AS room FROM limited AS l GROUP BY l.project_id
    ), candidate AS (
        SELECT c.id, p.room,
               row_number() OVER (PARTITION BY l.project_id ORDER BY c.priority DESC, c.id) AS nth
        FROM limited AS l JOIN project AS p USING (project_id), LATERAL (
            SELECT e.id, e.priority FROM workflow_executions AS e
            WHERE e.workflow_id = l.id AND e.admission = 'waiting' AND e.status IN ('queued', 'running')
            ORDER BY e.priority DESC, e.id
            LIMIT greatest(0, least(:most, p.room, l.workflow_limit - (
                SELECT count(*) FROM workflow_executions AS a
                WHERE a.workflow_id = l.id AND a.admission = 'admitted' AND a.status IN ('queued', 'running')
            )))
        ) AS c
    )
    UPDATE workflow_executions AS e SET admission = 'admitted', claimable_at = '-infinity'
    FROM candidate AS c WHERE e.id = c.id AND c.nth <= coalesce(c.room, c.nth) AND e.admission = 'waiting'
      AND e.status IN ('queued', 'running')
    """
)
_MOST = 1_000
"""Of one workflow at a time."""


class PostgresAdmission(Admission):
    """Lets those begin for which there is room."""

    def __init__(self, engine: AsyncEngine, *, waits: bool = False) -> None:
        """`waits`: until no other process admits, for who does not look again by itself: what has ended since the other
        one looked would go unseen."""
        self._engine = engine
        self._waits = waits

    async def admit(self) -> int:
        """How many were admitted; none where another process is at it, unless this one waits for it."""
        async with transaction(self._engine) as connection:
            if self._waits:
                await connection.execute(_LOCK)
            elif not await connection.scalar(_TRY):
                return 0
            return (await connection.execute(_ADMIT, {"most": _MOST})).rowcount
