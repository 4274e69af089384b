"""What the Lambdas that start and end executions ask of the database: one statement each, and no SQLAlchemy."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.adapters.postgres.driver import driver_errors
from shared.adapters.postgres.session import Connection, Session
from shared.executions.progress import Standing, Told
from shared.executions.records import Execution, ExecutionStatus
from shared.ids import is_id

_PATIENCE_SECONDS = 3.0

COLUMNS = """e.id, e.project_id, e.workflow_id, w.name, e.version, e.status, e.trigger_id, e.context, e.result, e.error,
       e.created_at, e.started_at, e.completed_at"""
"""Of workflow_executions as `e` and workflows as `w`; `execution_of` reads them."""

# Whether it may begin is said as it is to the workers of the local stage: nobody claims it before that time.
_STANDING = """
SELECT w.name, e.status, coalesce(e.claimable_at <= now(), false), EXISTS (
    SELECT FROM triggers AS t WHERE t.project_id = w.project_id AND t.type = 'event' AND t.is_active
), v.mode, e.started_at FROM workflows AS w
LEFT JOIN workflow_executions AS e ON e.project_id = w.project_id AND e.id = %s
LEFT JOIN workflow_versions AS v ON v.workflow_id = w.id AND v.version = e.version
WHERE w.project_id = %s AND w.id = %s
"""

_EXISTS = "SELECT FROM workflow_executions WHERE project_id = %s AND id = %s"

_REDRIVEN = """
UPDATE workflow_executions
SET status = 'running', completed_at = NULL, result = NULL, error = NULL, cancel_requested_at = NULL
WHERE completed_at < %b AND project_id = %b AND id = %b
"""

# An execution that is nested in one without a row is nested in one that has not ended either.
_CHANGED = f"""
SELECT {COLUMNS}, (
    WITH RECURSIVE up (context, known, steps) AS (
        SELECT e.context, true, 0
        UNION ALL
        SELECT p.context, p.id IS NOT NULL, up.steps + 1 FROM up
        LEFT JOIN workflow_executions AS p
            ON p.project_id = e.project_id AND p.id = (up.context #>> '{{parent,execution_id}}')::uuid
        WHERE up.context #>> '{{parent,execution_id}}' IS NOT NULL AND up.steps <= 32
    )
    SELECT CASE WHEN bool_and(known AND steps <= 32)
                THEN max(coalesce((context #>> '{{trigger,depth}}')::integer, 0)) END FROM up
), e.admission IS NOT NULL OR EXISTS (SELECT FROM flow_entries AS f WHERE f.execution_id = e.id), EXISTS (
    SELECT FROM triggers AS t
    WHERE t.id = e.trigger_id AND t.type = 'schedule' AND t.is_active AND t.config ->> 'overlap' = 'queue'
)
FROM workflow_executions AS e JOIN workflows AS w ON w.id = e.workflow_id
WHERE e.project_id = %s AND e.id = %s
"""  # noqa: S608 - of constants
_ENDED, _BEGUN = f"{_CHANGED} AND e.completed_at IS NOT NULL", f"{_CHANGED} AND e.started_at IS NOT NULL"


class PostgresProgress:
    """Asks by one connection that mends itself."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, patience_seconds=_PATIENCE_SECONDS)

    async def standing(self, project_id: str, workflow_id: str, execution_id: str) -> Standing | None:
        """Also of a workflow that was deleted; None of one that is not there. Raises StoreUnavailable."""
        if not all(map(is_id, (project_id, workflow_id, execution_id))):
            return None
        row = await self._one(_STANDING, execution_id, project_id, workflow_id)
        if row is None:
            return None
        name, status, *more = row
        return Standing(name, None if status is None else ExecutionStatus(status), *more)

    async def exists(self, project_id: str, execution_id: str) -> bool:
        """Whether the execution has a row. Raises StoreUnavailable."""
        return await self._one(_EXISTS, project_id, execution_id) is not None

    async def ended(self, project_id: str, execution_id: str) -> Told | None:
        """The execution once it has ended. Raises StoreUnavailable."""
        return _told(await self._one(_ENDED, project_id, execution_id))

    async def begun(self, project_id: str, execution_id: str) -> Told | None:
        """The execution once it is recorded as begun; it may have ended since. Raises StoreUnavailable."""
        return _told(await self._one(_BEGUN, project_id, execution_id))

    async def redriven(self, project_id: str, execution_id: str, at: datetime) -> None:
        """Says of an execution that ended before `at`, when Step Functions let it go on, that it runs. Again changes
        nothing. Raises StoreUnavailable."""

        async def work(connection: Connection) -> None:
            await connection.execute(_REDRIVEN, (at, UUID(project_id), UUID(execution_id)))

        with driver_errors():
            await self._session.run(work)

    async def close(self) -> None:
        """Closes the connection."""
        await self._session.close()

    async def _one(self, query: str, *ids: str) -> Sequence[Any] | None:
        async def work(connection: Connection) -> Sequence[Any] | None:
            return await (await connection.execute(query, [UUID(each) for each in ids])).fetchone()

        with driver_errors():
            return await self._session.run(work)


def _told(row: Sequence[Any] | None) -> Told | None:
    if row is None:
        return None
    *columns, depth, limited, queued_for = row
    return Told(execution_of(columns), depth, limited, queued_for)


def execution_of(row: Sequence[Any]) -> Execution:
    """From the values of COLUMNS."""
    id_, project_id, workflow_id, name, version, status, trigger_id, context, result, error, *times = row
    created_at, started_at, completed_at = times
    return Execution(
        id=str(id_),
        project_id=str(project_id),
        workflow_id=str(workflow_id),
        workflow_name=name,
        version=version,
        status=ExecutionStatus(status),
        trigger_id=None if trigger_id is None else str(trigger_id),
        context=context,
        input=None,
        result=result,
        error=error,
        created_at=created_at,
        started_at=started_at,
        completed_at=completed_at,
    )
