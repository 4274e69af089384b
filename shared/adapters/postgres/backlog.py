"""Backlog on PostgreSQL.

Terms:
  lease    until when an execution is its worker's; a worker that lives renews it, one that died lets it run out
  parked   nobody has it, and nobody claims it before its time, or before it is signalled (see completions.py)
  worker   `<base>/<life>`: a worker that comes back under its old base has a new life, and takes what its earlier life
           left at once, without waiting for the lease
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Row, TextClause, Uuid, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.queue import LEASE
from shared.adapters.postgres.tables import execution_events, task_completions, workflow_executions
from shared.executions.records import ExecutionStatus, HistoryEvent, Priority, StartRequest, TaskCompletion
from shared.ports import Backlog, PendingExecution, Signals

EARLY = timedelta(seconds=1)
"""A parked execution can be claimed this much before its time, so that it is at work again when the time comes."""

_MAX_EVENTS = 50_000
"""Events that one claim reads; it takes fewer executions where their histories are long, at least one."""

_PRIORITIES = (2, 1, 0)
_c = workflow_executions.c
_UNFINISHED = _c.status.in_([ExecutionStatus.QUEUED.value, ExecutionStatus.RUNNING.value])
_NEVER, _AT_ONCE = text("'infinity'::timestamptz"), text("'-infinity'::timestamptz")
_TERMINAL_EVENTS = ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")


def _with_ids(sql: str) -> TextClause:
    """One array parameter, however many ids there are."""
    return text(sql).bindparams(bindparam("ids", type_=ARRAY(Uuid(as_uuid=False))))


_PICK = _with_ids(
    """
    SELECT e.id, e.worker,
           coalesce((SELECT max(v.id) FROM execution_events AS v WHERE v.execution_id = e.id), 0) AS length
    FROM workflow_executions AS e
    WHERE e.status IN ('queued', 'running') AND e.priority = :priority AND e.claimable_at < now() AND e.id <> ALL(:ids)
    ORDER BY e.claimable_at, e.id LIMIT :most FOR UPDATE OF e SKIP LOCKED
    """
)
# A worker that has died counts against an execution only if it got nowhere with it.
_TAKE = _with_ids(
    """
    UPDATE workflow_executions AS e
    SET worker = :worker, claimable_at = now() + :lease, signalled = false, claimed_events = p.length,
        attempts = CASE WHEN p.died AND e.claimed_events = p.length THEN e.attempts + 1 ELSE 0 END
    FROM unnest(:ids, :lengths, :died) AS p (id, length, died) WHERE e.id = p.id
    RETURNING e.*
    """
).bindparams(
    bindparam("lengths", type_=ARRAY(_c.claimed_events.type)), bindparam("died", type_=ARRAY(_c.signalled.type))
)
_RENEW = _with_ids(
    """
    UPDATE workflow_executions SET claimable_at = now() + :lease
    WHERE id = ANY(:ids) AND worker = :worker AND status IN ('queued', 'running')
      AND claimable_at < now() + :lease / 2
    """
)
_HEAR = _with_ids(
    "UPDATE task_completions SET delivered = true WHERE execution_id = ANY(:ids) AND NOT delivered RETURNING *"
)
_PARK = _with_ids(
    """
    UPDATE workflow_executions SET worker = NULL, attempts = 0,
        claimable_at = CASE WHEN signalled OR cancel_requested_at IS NOT NULL THEN '-infinity'
                            ELSE coalesce(p.wake_at, 'infinity') END
    FROM unnest(:ids, :times) AS p (parked, wake_at)
    WHERE id = p.parked AND worker = :worker AND status IN ('queued', 'running')
    """
).bindparams(bindparam("times", type_=ARRAY(_c.created_at.type)))


class PostgresBacklog(Backlog):
    """The worker's side of the queue."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def reclaim(self, worker: str) -> None:
        """Ends the leases of the worker's earlier lives."""
        base = worker.rpartition("/")[0]
        earlier = (_UNFINISHED, _c.worker.startswith(f"{base}/", autoescape=True), _c.worker != worker)
        async with transaction(self._engine) as connection:
            await connection.execute(update(workflow_executions).where(*earlier).values(claimable_at=_AT_ONCE))

    async def claim(self, limit: int, worker: str, exclude: Sequence[str] = ()) -> Sequence[PendingExecution]:
        """Up to `limit` unfinished executions that no live worker holds; they are `worker`'s now. Those of high
        priority come first, then those that have waited longest."""
        async with transaction(self._engine) as connection:
            picked = await _pick(connection, limit, exclude)
            if not picked:
                return []
            taken = {
                "worker": worker,
                "lease": LEASE,
                "ids": [row.id for row in picked],
                "lengths": [row.length for row in picked],
                "died": [row.worker is not None for row in picked],
            }
            rows = {str(row.id): row for row in await connection.execute(_TAKE, taken)}
            begun = [row.id for row in picked if row.length]
            histories = await _histories(connection, begun)
            completions = await _completions(connection, begun)
        order = [str(row.id) for row in picked]
        return [_pending(rows[id_], histories[id_], completions[id_]) for id_ in order]

    async def signals(self, execution_ids: Sequence[str], worker: str) -> Signals:
        """What the given running executions have to hear of. Renews the leases of all of them."""
        ids = list(execution_ids)
        asked = select(_c.id, _c.worker, _c.cancel_requested_at, _c.signalled)
        async with transaction(self._engine) as connection:
            await connection.execute(_RENEW, {"ids": ids, "worker": worker, "lease": LEASE})
            rows = (await connection.execute(asked.where(_any_of(ids), _UNFINISHED))).all()
            signalled = [row.id for row in rows if row.signalled and row.worker == worker]
            completions: list[TaskCompletion] = []
            if signalled:  # in this order: what comes between the two is heard of twice, not never
                cleared = update(workflow_executions).where(_any_of(signalled)).values(signalled=False)
                await connection.execute(cleared)
                heard = await connection.execute(_HEAR, {"ids": signalled})
                completions = sorted(map(_completion, heard), key=lambda each: each.at)
        return Signals(
            cancelled=[row.id for row in rows if row.cancel_requested_at is not None],
            lost=[row.id for row in rows if row.worker != worker],
            completions=completions,
        )

    async def park(self, parked: Sequence[tuple[str, datetime | None]], worker: str) -> None:
        """Gives executions back until their time comes, or until they are signalled, which may have been meanwhile."""
        times = [None if wake_at is None else wake_at - EARLY for _, wake_at in parked]
        values = {"ids": [id_ for id_, _ in parked], "times": times, "worker": worker}
        async with transaction(self._engine) as connection:
            await connection.execute(_PARK, values)

    async def release(self, execution_ids: Sequence[str], worker: str) -> None:
        """Gives executions back as they are; anybody may go on with them at once."""
        ours = update(workflow_executions).where(_any_of(execution_ids), _c.worker == worker, _UNFINISHED)
        async with transaction(self._engine) as connection:
            await connection.execute(ours.values(worker=None, claimable_at=_AT_ONCE))


def _any_of(ids: Sequence[str]) -> Any:
    return _c.id == func.any(bindparam(None, list(ids), type_=ARRAY(Uuid(as_uuid=False))))


async def _pick(connection: AsyncConnection, limit: int, exclude: Sequence[str]) -> list[Row[Any]]:
    """Locked until the transaction ends; those left out for the length of their histories are free again then."""
    picked: list[Row[Any]] = []
    for priority in _PRIORITIES:
        if len(picked) < limit:
            asked = {"priority": priority, "ids": list(exclude), "most": limit - len(picked)}
            picked += await connection.execute(_PICK, asked)
    events, count = 0, 0
    for row in picked:
        events += row.length
        if count and events > _MAX_EVENTS:
            break
        count += 1
    return picked[:count]


async def _histories(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[HistoryEvent]]:
    histories: dict[str, list[HistoryEvent]] = defaultdict(list)
    if not ids:
        return histories
    events = execution_events.c
    query = select(events.execution_id, events.id, events.previous_id, events.type, events.timestamp, events.details)
    array = bindparam(None, list(ids), type_=ARRAY(Uuid(as_uuid=False)))
    query = query.where(events.execution_id == func.any(array)).order_by(events.execution_id, events.id)
    for execution_id, *event in await connection.execute(query):
        histories[execution_id].append(HistoryEvent(*event))
    return histories


async def _completions(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[TaskCompletion]]:
    """Those that were delivered before as well: the worker that heard of them may have died before it wrote so."""
    found: dict[str, list[TaskCompletion]] = defaultdict(list)
    if not ids:
        return found
    array = bindparam(None, list(ids), type_=ARRAY(Uuid(as_uuid=False)))
    theirs = task_completions.c.execution_id == func.any(array)
    for row in await connection.execute(select(task_completions).where(theirs).order_by(task_completions.c.at)):
        found[row.execution_id].append(_completion(row))
    return found


def _completion(row: Row[Any]) -> TaskCompletion:
    return TaskCompletion(str(row.execution_id), row.token, row.kind, row.at, row.output, row.error, row.cause)


def request_of(row: Row[Any]) -> StartRequest:
    """What a row of workflow_executions was asked for; without its ticket of flow control."""
    return StartRequest(
        execution_id=str(row.id),
        project_id=str(row.project_id),
        workflow_id=str(row.workflow_id),
        version=row.version,
        input=row.input,
        context=row.context,
        created_at=row.created_at,
        trigger_id=None if row.trigger_id is None else str(row.trigger_id),
        idempotency_key=row.idempotency_key,
        request_digest=row.request_digest,
        priority=Priority(row.priority),
    )


def _pending(row: Row[Any], history: Sequence[HistoryEvent], completions: Sequence[TaskCompletion]) -> PendingExecution:
    return PendingExecution(
        request_of(row),
        ExecutionStatus(row.status),
        cancel_requested=row.cancel_requested_at is not None,
        history=history,
        completions=completions,
        redrive=bool(history) and history[-1].type in _TERMINAL_EVENTS,
        attempts=row.attempts,
    )
