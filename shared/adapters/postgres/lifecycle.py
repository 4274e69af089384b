"""LifecycleOutbox on PostgreSQL: changes that the journal noted become events, in one transaction."""

from collections.abc import Callable, Sequence
from typing import Any

from shared.adapters.postgres.driver import driver_errors
from shared.adapters.postgres.event_rows import INSERT_EVENTS, columns_of
from shared.adapters.postgres.progress import COLUMNS, execution_of
from shared.adapters.postgres.session import Connection, Session
from shared.executions.records import ExecutionStatus
from shared.ports.events import LifecycleOutbox
from shared.triggers.events.lifecycle import Change
from shared.triggers.events.records import Event

_PATIENCE_SECONDS = 3.0

# The depth is that of the execution, or of the one that it is nested in.
_TAKE = f"""
WITH taken AS (
    DELETE FROM execution_outbox WHERE (execution_id, status, at) IN (
        SELECT execution_id, status, at FROM execution_outbox ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED
    ) RETURNING execution_id, status, at
)
SELECT {COLUMNS}, t.status, t.at,
       CASE WHEN e.context -> 'parent' IS NULL THEN coalesce((e.context #>> '{{trigger,depth}}')::integer, 0) ELSE (
           WITH RECURSIVE up (context, steps) AS (
               SELECT e.context, 0
               UNION ALL
               SELECT p.context, up.steps + 1 FROM up
               JOIN workflow_executions AS p ON p.id = (up.context #>> '{{parent,execution_id}}')::uuid
               WHERE up.steps < 32
           ) SELECT coalesce(max((context #>> '{{trigger,depth}}')::integer), 0) FROM up
       ) END
FROM taken AS t JOIN workflow_executions AS e ON e.id = t.execution_id JOIN workflows AS w ON w.id = e.workflow_id
ORDER BY t.at
"""  # noqa: S608 - of constants


class PostgresLifecycle(LifecycleOutbox):
    """The outbox that the journal and cancellations fill."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, patience_seconds=_PATIENCE_SECONDS)

    async def relay(
        self, make: Callable[[Change], Event], is_wanted: Callable[[Event], bool], *, limit: int = 200
    ) -> int:
        """Publishes up to `limit` changes; how many there were. Two that relay at once skip each other's rows."""

        async def work(connection: Connection) -> int:
            async with connection.transaction():
                rows: list[tuple[Any, ...]] = await (await connection.execute(_TAKE, (limit,))).fetchall()
                if rows:
                    events = [make(_change(row)) for row in rows]
                    await connection.execute(INSERT_EVENTS, columns_of(events, [is_wanted(each) for each in events]))
                return len(rows)

        with driver_errors():
            return await self._session.run(work)

    async def close(self) -> None:
        """Closes the connection."""
        await self._session.close()


def _change(row: Sequence[Any]) -> Change:
    *columns, changed_to, at, depth = row
    return Change(execution_of(columns), ExecutionStatus(changed_to), at, depth)
