"""StartQueue on PostgreSQL: the table of executions is the queue."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Json

from shared.adapters.postgres.driver import driver_errors
from shared.adapters.postgres.group_commit import GroupCommit
from shared.adapters.postgres.quotas import DailyQuota
from shared.adapters.postgres.session import Connection, Session
from shared.errors import IdempotencyMismatch, NotFound, QueueFull
from shared.executions.records import Accepted, StartRequest
from shared.ports import StartQueue

LEASE = timedelta(seconds=30)
"""How long an execution is its worker's after the worker last said so."""

_PATIENCE_SECONDS = 3.0
_MAX_WAITING = 5_000
_MAX_BATCH = 128
MAX_QUEUED = 100_000
_COUNT_EVERY_SECONDS = 1.0
_RETRY_AFTER_SECONDS = 5

_INSERT = """
INSERT INTO workflow_executions (
    id, project_id, workflow_id, version, status, trigger_id, input, context, idempotency_key, request_digest,
    created_at, priority, worker, claimable_at, admission
)
SELECT r.id, r.project_id, r.workflow_id, r.version, 'queued', trigger_id, input, context, idempotency_key,
       request_digest, r.created_at, priority, CASE WHEN NOT limited THEN worker END,
       CASE WHEN limited THEN 'infinity' WHEN worker IS NOT NULL THEN now() + %s ELSE '-infinity' END,
       CASE WHEN limited THEN 'waiting' END
FROM unnest(
    %b::uuid[], %b::uuid[], %b::uuid[], %b::int4[], %b::uuid[], %b::json[], %b::json[], %b::text[], %b::text[],
    %b::timestamptz[], %b::int2[], %b::text[]
) AS r (id, project_id, workflow_id, version, trigger_id, input, context, idempotency_key, request_digest,
        created_at, priority, worker)
LEFT JOIN workflow_versions AS v ON v.workflow_id = r.workflow_id AND v.version = r.version
LEFT JOIN projects AS p ON p.id = r.project_id,
LATERAL (SELECT v.max_concurrency IS NOT NULL OR p.max_concurrency IS NOT NULL AS limited) AS l
ON CONFLICT DO NOTHING
RETURNING id, admission IS NULL
"""

_DEPTH = """
SELECT count(*) FROM (
    SELECT 1 FROM workflow_executions WHERE project_id = %s AND status = 'queued' LIMIT %s
) AS waiting
"""

_FIND = """
SELECT id, workflow_id, idempotency_key, request_digest, CASE WHEN status = 'queued' THEN coalesce(worker, '') END
FROM workflow_executions
WHERE id = ANY(%b::uuid[])
   OR (workflow_id, idempotency_key) IN (SELECT * FROM unnest(%b::uuid[], %b::text[]))
"""


@dataclass(frozen=True, slots=True)
class _Submission:
    request: StartRequest
    worker: str | None
    row: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Earlier:
    """An execution that was there before."""

    execution_id: str
    digest: str | None
    holder: str | None
    """Whose it is while it has not begun: a worker, or nobody's (empty); None once it has begun."""


class PostgresQueue(StartQueue):
    """Takes start requests in; those that arrive together share one commit."""

    def __init__(self, url: str, *, max_queued: int = MAX_QUEUED) -> None:
        """`max_queued`: how many executions of one project may wait; further ones are refused until some began."""
        self._depths = _Depths(max_queued)
        self._quota = DailyQuota()
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
            QueueFull: as many executions of the project wait as may.
            QuotaUsedUp: as many executions of the project were started today as may.
            MalformedRequest: the key holds U+0000.
            StoreUnavailable: the database could not be reached for 3 s, or too many requests wait for it. Where it was
                lost in the middle of a commit, the request may have been taken nevertheless; the same key finds it.
        """
        self._depths.ensure_room(request.project_id)
        if self._quota.is_full(request.project_id):  # it may have been raised
            await self._session.run(lambda connection: self._quota.count(connection, [request.project_id]))
        self._quota.ensure_room(request.project_id)
        submission = _Submission(request, worker, _row(request, worker))
        with driver_errors():
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
            rows: list[tuple[Any, ...]] = await cursor.fetchall()
            taken = {str(id_): bool(admitted) for id_, admitted in rows}
            await self._depths.count(connection, [each.request.project_id for each in batch])
            await self._quota.count(connection, [each.request.project_id for each in batch])
            others = [each.request for each in batch if each.request.execution_id not in taken]
            earlier = await _find(connection, others) if others else {}
            return [_answer(each, taken, earlier) for each in batch]

        return await self._session.run(work)


class _Depths:
    """About how many executions of each project wait: counted once a second, and what was taken in since."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[str, int] = defaultdict(int)
        self._counted: dict[str, float] = {}

    def ensure_room(self, project_id: str) -> None:
        """Raises QueueFull. Tries again after a while even where nothing was taken in, and so counted, since."""
        old = time.monotonic() - self._counted.get(project_id, 0.0) > _RETRY_AFTER_SECONDS
        if self._waiting[project_id] >= self._most and not old:
            raise QueueFull(
                f"{self._waiting[project_id]} executions of this project wait to begin, and at most {self._most} may. "
                "Nothing was started. Send it again later, or raise what limits them: max_concurrency, or workers.",
                retry_after_seconds=_RETRY_AFTER_SECONDS,
            )

    async def count(self, connection: Connection, project_ids: Sequence[str]) -> None:
        for project_id, added in Counter(project_ids).items():
            self._waiting[project_id] += added
            if time.monotonic() - self._counted.get(project_id, 0.0) > _COUNT_EVERY_SECONDS:
                row = await (await connection.execute(_DEPTH, (UUID(project_id), self._most))).fetchone()
                self._waiting[project_id] = int(str(row[0])) if row else 0
                self._counted[project_id] = time.monotonic()


async def _find(connection: Connection, requests: Sequence[StartRequest]) -> dict[Any, _Earlier]:
    """Stored executions, by id and by (workflow id, key)."""
    keyed = [request for request in requests if request.idempotency_key is not None]
    parameters = (
        [UUID(request.execution_id) for request in requests],
        [UUID(request.workflow_id) for request in keyed],
        [request.idempotency_key for request in keyed],
    )
    found: dict[Any, _Earlier] = {}
    rows: list[tuple[Any, ...]] = await (await connection.execute(_FIND, parameters)).fetchall()
    for id_, workflow_id, key, digest, holder in rows:
        found[str(id_)] = found[str(workflow_id), key] = _Earlier(str(id_), digest, holder)
    return found


def _answer(
    submission: _Submission, taken: dict[str, bool], found: dict[Any, _Earlier]
) -> Accepted | IdempotencyMismatch:
    request = submission.request
    if request.execution_id in taken:
        return Accepted(request.execution_id, admitted=taken[request.execution_id])
    if request.execution_id in found:  # taken before a lost connection, or by an earlier try of a nested execution
        begins_here = found[request.execution_id].holder == (submission.worker or "")
        return Accepted(request.execution_id, admitted=begins_here)
    earlier = found[request.workflow_id, request.idempotency_key]
    if earlier.digest == request.request_digest:
        return Accepted(earlier.execution_id, duplicate=True)
    return IdempotencyMismatch(
        f"The idempotency key '{request.idempotency_key}' came earlier with another input, and started the execution "
        f"{earlier.execution_id}. Send the same input again to get its answer, or use a new key for a new execution.",
        execution_id=earlier.execution_id,
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
        request.priority.value,
        worker,
    )


def _encoded(value: bytes) -> bytes:
    return value
