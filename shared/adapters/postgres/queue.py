"""StartQueue on PostgreSQL: the table of executions is the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Json

from shared.adapters.postgres.backlog import LEASE
from shared.adapters.postgres.engine import store_errors
from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.session import Connection, Session
from shared.errors import IdempotencyMismatch, NotFound
from shared.executions.records import Accepted, StartRequest
from shared.ports import StartQueue

_PATIENCE_SECONDS = 3.0
_MAX_WAITING = 5_000
_MAX_BATCH = 128

_INSERT = """
INSERT INTO workflow_executions (
    id, project_id, workflow_id, version, status, trigger_id, input, context, idempotency_key, request_digest,
    created_at, worker, lease_until
)
SELECT id, project_id, workflow_id, version, 'queued', trigger_id, input, context, idempotency_key, request_digest,
       created_at, worker, CASE WHEN worker IS NOT NULL THEN now() + %s END
FROM unnest(
    %b::uuid[], %b::uuid[], %b::uuid[], %b::int4[], %b::uuid[], %b::json[], %b::json[], %b::text[], %b::text[],
    %b::timestamptz[], %b::text[]
) AS r (id, project_id, workflow_id, version, trigger_id, input, context, idempotency_key, request_digest,
        created_at, worker)
ON CONFLICT DO NOTHING
RETURNING id
"""

_FIND = """
SELECT id, workflow_id, idempotency_key, request_digest
FROM workflow_executions
WHERE id = ANY(%b::uuid[])
   OR (workflow_id, idempotency_key) IN (SELECT * FROM unnest(%b::uuid[], %b::text[]))
"""


@dataclass(frozen=True, slots=True)
class _Submission:
    request: StartRequest
    row: tuple[Any, ...]


class PostgresQueue(StartQueue):
    """Takes start requests in; those that arrive together share one commit."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, patience_seconds=_PATIENCE_SECONDS)
        self._group: GroupCommit[_Submission, Accepted | IdempotencyMismatch] = GroupCommit(
            self._commit, max_batch=_MAX_BATCH, max_waiting=_MAX_WAITING
        )

    async def submit(self, request: StartRequest, *, worker: str | None = None) -> Accepted:
        """Takes the request; durable once this returns. With `worker` it is that worker's from the first moment, and
        the backlog gives it to nobody else while that worker lives.

        Raises:
            IdempotencyMismatch: the key came earlier with another input.
            NotFound: there is no such version of the workflow.
            MalformedRequest: the key holds U+0000.
            StoreUnavailable: the database could not be reached for 3 s, or too many requests wait for it. Where it was
                lost in the middle of a commit, the request may have been taken nevertheless; the same key finds it.
        """
        submission = _Submission(request, _row(request, worker))
        with store_errors():
            try:
                answer = await self._group.submit(submission)
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound(
                    f"There is no version {request.version} of the workflow {request.workflow_id}; nothing was started."
                ) from None
        if isinstance(answer, IdempotencyMismatch):
            raise answer
        return answer

    async def close(self) -> None:
        """Waits for what is being taken in, then closes the connection."""
        await self._group.flush()
        await self._session.close()

    async def _commit(self, batch: Sequence[_Submission]) -> Sequence[Accepted | IdempotencyMismatch]:
        columns = [list(column) for column in zip(*(submission.row for submission in batch), strict=True)]

        async def work(connection: Connection) -> list[Accepted | IdempotencyMismatch]:
            cursor = await connection.execute(_INSERT, (LEASE, *columns))
            taken = {str(id_) for (id_,) in await cursor.fetchall()}
            others = [each.request for each in batch if each.request.execution_id not in taken]
            earlier = await _find(connection, others) if others else {}
            return [_answer(each.request, taken, earlier) for each in batch]

        return await self._session.run(work)


async def _find(connection: Connection, requests: Sequence[StartRequest]) -> dict[Any, tuple[str, str | None]]:
    """(id, digest) of stored executions, by id and by (workflow id, key)."""
    keyed = [request for request in requests if request.idempotency_key is not None]
    parameters = (
        [UUID(request.execution_id) for request in requests],
        [UUID(request.workflow_id) for request in keyed],
        [request.idempotency_key for request in keyed],
    )
    found: dict[Any, tuple[str, str | None]] = {}
    rows: list[tuple[Any, ...]] = await (await connection.execute(_FIND, parameters)).fetchall()
    for id_, workflow_id, key, digest in rows:
        found[str(id_)] = found[str(workflow_id), key] = (str(id_), digest)
    return found


def _answer(
    request: StartRequest, taken: set[str], earlier: dict[Any, tuple[str, str | None]]
) -> Accepted | IdempotencyMismatch:
    if request.execution_id in taken or request.execution_id in earlier:  # the latter: taken before a lost connection
        return Accepted(request.execution_id)
    execution_id, digest = earlier[request.workflow_id, request.idempotency_key]
    if digest == request.request_digest:
        return Accepted(execution_id, duplicate=True)
    return IdempotencyMismatch(
        f"The idempotency key '{request.idempotency_key}' came earlier with another input, and started the execution "
        f"{execution_id}. Send the same input again to get its answer, or use a new key for a new execution.",
        execution_id=execution_id,
    )


def _row(request: StartRequest, worker: str | None) -> tuple[Any, ...]:
    return (
        UUID(request.execution_id),
        UUID(request.project_id),
        UUID(request.workflow_id),
        request.version,
        None if request.trigger_id is None else UUID(request.trigger_id),
        None if request.input is None else Json(orjson.dumps(request.input), dumps=_encoded),
        Json(orjson.dumps(request.context), dumps=_encoded),
        request.idempotency_key,
        request.request_digest,
        request.created_at,
        worker,
    )


def _encoded(value: bytes) -> bytes:
    return value
