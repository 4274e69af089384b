"""Histories of express executions on PostgreSQL, written as CloudWatch Logs tells of them.

An execution may run more than once, and its events come in parts, in any order and twice. The event with the number 0,
which no reader asks for, holds the name of the run that was heard of first; the others' events are not taken. Within
that run a number is one event, so that what comes again changes nothing.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from psycopg.types.json import Json

from shared.adapters.postgres.driver import driver_errors
from shared.adapters.postgres.session import Connection, Session
from shared.executions.records import HistoryEvent
from shared.ids import is_id

_PATIENCE_SECONDS = 3.0

_CLAIM = """
INSERT INTO execution_events (execution_id, id, previous_id, type, timestamp, details, project_id)
SELECT id, 0, 0, 'Run', %s, %s, project_id FROM workflow_executions WHERE id = %s
ON CONFLICT DO NOTHING
"""
_CLAIMED = "SELECT project_id, details ->> 'arn' FROM execution_events WHERE execution_id = %s AND id = 0"
_WRITE = """
INSERT INTO execution_events (execution_id, project_id, id, previous_id, type, timestamp, details)
SELECT %b, %b, * FROM unnest(%b::int4[], %b::int4[], %b::text[], %b::timestamptz[], %b::json[])
ON CONFLICT DO NOTHING
"""


class PostgresExpressHistories:
    """Writes by one connection that mends itself."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, patience_seconds=_PATIENCE_SECONDS)

    async def write(self, execution_id: str, arn: str, events: Sequence[HistoryEvent]) -> str | None:
        """Keeps events of the run `arn`, of which there is at least one; durable once this returns. The execution's
        project; None where there is no such execution, or another run of it was heard of first.

        Raises:
            StoreUnavailable: the database does not answer. Writing it again is safe.
        """
        if not is_id(execution_id):
            return None

        async def work(connection: Connection) -> str | None:
            return await _write(connection, UUID(execution_id), arn, events)

        with driver_errors():
            return await self._session.run(work)

    async def close(self) -> None:
        """Closes the connection."""
        await self._session.close()


async def _write(connection: Connection, key: UUID, arn: str, events: Sequence[HistoryEvent]) -> str | None:
    """Each statement is a transaction of its own; a claim that was made is never changed."""
    await connection.execute(_CLAIM, (events[0].timestamp, _json({"arn": arn}), key))
    found: Any = await (await connection.execute(_CLAIMED, (key,))).fetchone()
    if found is None or found[1] != arn:
        return None
    rows = [(each.id, each.previous_id, each.type, each.timestamp, _json(each.details)) for each in events]
    await connection.execute(_WRITE, (key, found[0], *map(list, zip(*rows, strict=True))))
    return str(found[0])


def _json(details: dict[str, Any]) -> Json:
    return Json(details, dumps=orjson.dumps)
