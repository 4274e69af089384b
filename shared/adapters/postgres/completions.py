"""TaskCompletions on PostgreSQL, and the statement by which the journal completes the task of a parent.

Terms:
  signal   says that an execution has something to hear of. Where a worker runs it, the worker asks for it; where it is
           parked, it can be claimed from now on. A worker that parks an execution sees the signal or is seen by it,
           because both change the execution's row
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from psycopg.types.json import Json

from shared.adapters.postgres.driver import driver_errors
from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.session import Connection, Session
from shared.executions.records import TaskCompletion
from shared.ids import is_id
from shared.ports import TaskCompletions

_PATIENCE_SECONDS = 10.0

# Parked is what no worker has: a completion can only be of an execution that has begun, which is admitted.
_SUBMIT = """
WITH told AS (
    SELECT * FROM unnest(
        %b::uuid[], %b::text[], %b::bool[], %b::text[], %b::timestamptz[], %b::json[], %b::text[], %b::text[]
    ) AS c (execution_id, token, final, kind, at, output, error, cause)
), kept AS (
    INSERT INTO task_completions AS kept (
        execution_id, token, project_id, final, kind, at, output, error, cause, delivered
    )
    SELECT e.id, c.token, e.project_id, c.final, c.kind, c.at, c.output, c.error, c.cause, false
    FROM told AS c JOIN workflow_executions AS e ON e.id = c.execution_id AND e.status IN ('queued', 'running')
    ON CONFLICT (execution_id, token, final) DO UPDATE SET at = excluded.at, delivered = false WHERE NOT kept.final
    RETURNING execution_id, token, final
), woken AS (
    UPDATE workflow_executions AS e
    SET signalled = true, claimable_at = CASE WHEN e.worker IS NULL THEN '-infinity' ELSE e.claimable_at END
    FROM (SELECT DISTINCT execution_id FROM kept) AS k
    WHERE e.id = k.execution_id AND e.status IN ('queued', 'running')
)
SELECT execution_id, token, final FROM kept
"""


class PostgresTaskCompletions(TaskCompletions):
    """Takes completions in; those that arrive together share one commit."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, patience_seconds=_PATIENCE_SECONDS)
        self._group: GroupCommit[TaskCompletion, bool] = GroupCommit(self._commit)

    async def submit(self, completion: TaskCompletion) -> bool:
        """Durable once this returns; False where the token was completed before, or the execution has ended.

        After a lost connection it may say False of a completion that it has kept.

        Raises:
            StoreUnavailable: the database could not be reached for 10 s.
        """
        if not is_id(completion.execution_id):
            return False
        with driver_errors():
            return await self._group.submit(completion)

    async def close(self) -> None:
        """Waits for what is being written, then closes the connection."""
        await self._group.flush()
        await self._session.close()

    async def _commit(self, batch: Sequence[TaskCompletion]) -> Sequence[bool]:
        kept = await self._session.run(lambda connection: submit(connection, batch))
        answers = []
        for each in batch:
            answers.append(_key(each) in kept)
            if each.kind != "heartbeat":
                kept.discard(_key(each))  # of two that came together, the first one counts
        return answers


async def submit(connection: Connection, completions: Sequence[TaskCompletion]) -> set[tuple[str, str, bool]]:
    """Keeps completions and signals the executions that wait for them; which were kept."""
    first: dict[tuple[str, str, bool], TaskCompletion] = {}
    for completion in completions:
        if completion.kind == "heartbeat":
            first[_key(completion)] = completion
        else:
            first.setdefault(_key(completion), completion)
    columns = [list(column) for column in zip(*(_row(each) for each in first.values()), strict=True)]
    rows: list[Any] = await (await connection.execute(_SUBMIT, columns)).fetchall()
    return {(str(execution_id), token, final) for execution_id, token, final in rows}


def _key(completion: TaskCompletion) -> tuple[str, str, bool]:
    return completion.execution_id, completion.token, completion.kind != "heartbeat"


def _row(completion: TaskCompletion) -> tuple[Any, ...]:
    output = None if completion.output is None else Json(orjson.dumps(completion.output), dumps=_encoded)
    execution_id, token, final = _key(completion)
    kind, at = completion.kind, completion.at
    return UUID(execution_id), token, final, kind, at, output, completion.error, completion.cause


def _encoded(value: bytes) -> bytes:
    return value
