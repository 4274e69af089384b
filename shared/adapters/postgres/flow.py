"""Flow control on PostgreSQL: the state of one key is read, decided upon and written under a lock of that key.

The state is what the rows say, not a counter that a crash could leave wrong: an execution that has ended frees its
place by having ended. Executions that are held or wait are rows of the queue that nobody may claim yet.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Uuid, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.flow_state import Key, load, lock
from shared.adapters.postgres.tables import flow_arrivals, flow_entries, workflow_executions
from shared.clock import Clock
from shared.errors import FlowRateLimited, IdempotencyMismatch, NotFound, QueueFull
from shared.executions.flow import Action, Arrival, Decision, FlowState, decide, next_at
from shared.executions.records import Accepted, FlowTicket, StartRequest
from shared.workflow.flow_control import FlowControl

MAX_WAITING = 10_000
"""Of one key; further arrivals are refused as those to a full queue are."""

KEPT = timedelta(days=1)
"""What arrived and what ended before does not count any more: no period is longer."""

_KEYS_AT_ONCE = 100
_f, _a, _e = flow_entries.c, flow_arrivals.c, workflow_executions.c
_NEVER = text("'infinity'::timestamptz")

_BEGIN = text(
    """
    UPDATE workflow_executions AS e
    SET admission = CASE WHEN n.limited THEN 'waiting' END,
        claimable_at = CASE WHEN n.limited THEN 'infinity' ELSE '-infinity' END::timestamptz
    FROM (
        SELECT x.id, v.max_concurrency IS NOT NULL OR p.max_concurrency IS NOT NULL AS limited
        FROM workflow_executions AS x JOIN projects AS p ON p.id = x.project_id
        JOIN workflow_versions AS v ON v.workflow_id = x.workflow_id AND v.version = x.version
        WHERE x.id = ANY(:ids)
    ) AS n WHERE e.id = n.id AND e.status = 'queued'
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid(as_uuid=False))))
# Keys of which something is due, or of which an execution has ended whose place is still taken. The settings that count
# are those of the workflow's newest version.
_WORK = text(
    """
    SELECT DISTINCT ON (f.workflow_id, f.key) f.project_id, f.workflow_id, f.key, v.flow_control
    FROM (
        SELECT project_id, workflow_id, key FROM flow_entries
        WHERE state IN ('held', 'waiting') AND due_at <= :now
        UNION ALL
        SELECT b.project_id, b.workflow_id, b.key FROM flow_entries AS b
        JOIN workflow_executions AS e ON e.id = b.execution_id
        WHERE b.state = 'begun' AND e.completed_at IS NOT NULL
    ) AS f JOIN workflows AS w ON w.id = f.workflow_id
    JOIN workflow_versions AS v ON v.workflow_id = w.id AND v.version = w.version
    LIMIT :most
    """
)
# In the clock of the caller, by which the rest was written as well.
_NEXT = text(
    """
    SELECT least(
        (SELECT min(due_at) FROM flow_entries WHERE state IN ('held', 'waiting')),
        (SELECT CAST(:now AS timestamptz) FROM flow_entries AS b JOIN workflow_executions AS e ON e.id = b.execution_id
         WHERE b.state = 'begun' AND e.completed_at IS NOT NULL LIMIT 1)
    )
    """
)


class PostgresFlow:
    """Takes arrivals in by the settings of their workflow, and lets them begin when their time has come."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._pruned: datetime | None = None

    async def submit(self, request: StartRequest) -> Accepted:
        """Takes the arrival; durable once this returns. The id is that of the execution that stands for it.

        Raises:
            FlowRateLimited: the rate limit refuses it; nothing was kept.
            IdempotencyMismatch, NotFound, QueueFull, StoreUnavailable: as StartQueue.
        """
        ticket = request.flow
        if ticket is None:
            raise ValueError("A request without a ticket of flow control goes to the queue.")
        control = FlowControl.model_validate(ticket.control)
        async with transaction(self._engine) as connection:
            return await self._take(connection, request, ticket, control)

    async def advance(self) -> int:
        """Lets go what is due, and fills the places of what has ended; how many began. Raises StoreUnavailable."""
        now = self._clock.now()
        async with transaction(self._engine) as connection:
            found = (await connection.execute(_WORK, {"now": now, "most": _KEYS_AT_ONCE})).all()
        begun = 0
        for row in found:
            key, control = Key(str(row.workflow_id), row.key), FlowControl.model_validate(row.flow_control or {})
            async with transaction(self._engine) as connection:
                await lock(connection, key.name)
                now = self._clock.now()
                await _forget_due(connection, key, now)
                before = await load(connection, key, control, now)
                after, decisions = decide(control, before, now)
                await _write(connection, (before, after), decisions, now=now)
                await _look_again(connection, control, after, now)
                begun += sum(each.action is Action.BEGUN for each in decisions)
        await self._prune(now)
        return begun

    async def next_at(self) -> datetime | None:
        """When `advance` will have something to do, though nothing arrives or ends; not after now where it has already,
        None where nothing is foreseen. Raises StoreUnavailable."""
        async with transaction(self._engine) as connection:
            found: datetime | None = await connection.scalar(_NEXT, {"now": self._clock.now()})
        return found

    async def _take(
        self, connection: AsyncConnection, request: StartRequest, ticket: FlowTicket, control: FlowControl
    ) -> Accepted:
        if request.idempotency_key is not None:
            await lock(connection, f"{request.workflow_id} {request.idempotency_key}")
        key = Key(request.workflow_id, ticket.key)
        await lock(connection, key.name)
        earlier = await _earlier(connection, request)
        if earlier is not None:
            return earlier
        now = self._clock.now()
        before = await load(connection, key, control, now)
        after, decisions = decide(control, before, now, Arrival(request.execution_id, request.priority, ticket.bytes))
        own = next((each for each in decisions if each.id == request.execution_id), None)
        if own is not None and own.action is Action.REFUSED:
            raise _refused(control, own, now)
        into = own.into if own is not None and own.action is Action.MERGED else None
        if into is not None:
            await _merge(connection, request, into, control)
        else:
            await _ensure_room(connection, key)
            await _insert(connection, request, ticket, now)
        if into is not None or control.rate_limit is not None:
            await connection.execute(insert(flow_arrivals).values(_arrival(request, ticket, into, now)))
        await _write(connection, (before, after), decisions, now=now)
        await _look_again(connection, control, after, now)
        return Accepted(into or request.execution_id, admitted=False)

    async def _prune(self, now: datetime) -> None:
        if self._pruned is not None and now - self._pruned < timedelta(hours=1):
            return
        self._pruned = now
        async with transaction(self._engine) as connection:
            await connection.execute(delete(flow_arrivals).where(_a.at < now - KEPT))
            old = (_f.state == "ended", _f.first_at < now - KEPT, func.coalesce(_f.begun_at, _f.first_at) < now - KEPT)
            await connection.execute(delete(flow_entries).where(*old))


def _refused(control: FlowControl, decision: Decision, now: datetime) -> FlowRateLimited:
    limit = control.rate_limit
    seconds = max(1, round(((decision.until or now) - now).total_seconds()))
    allowed = f"{limit.limit} within {limit.period_seconds} s" if limit else "fewer"
    return FlowRateLimited(
        f"The workflow's rate limit takes {allowed} of one key, and this is one more. Nothing was started. "
        f"Send it again in {seconds} s.",
        retry_after_seconds=seconds,
    )


async def _earlier(connection: AsyncConnection, request: StartRequest) -> Accepted | None:
    """What the same request came to before. Raises IdempotencyMismatch."""
    came = select(_e.id).where(_e.id == request.execution_id)
    merged_before = select(_a.execution_id).where(_a.id == request.execution_id)
    stands = (await connection.execute(came.union_all(merged_before).limit(1))).scalar_one_or_none()
    if stands is not None:
        return Accepted(str(stands), admitted=False)
    if request.idempotency_key is None:
        return None
    started = select(_e.id, _e.request_digest).where(
        _e.workflow_id == request.workflow_id, _e.idempotency_key == request.idempotency_key
    )
    merged = select(_a.execution_id, _a.request_digest).where(
        _a.workflow_id == request.workflow_id, _a.idempotency_key == request.idempotency_key
    )
    row = (await connection.execute(started.union_all(merged).limit(1))).one_or_none()
    if row is None:
        return None
    if row.request_digest != request.request_digest:
        raise IdempotencyMismatch(
            f"The idempotency key '{request.idempotency_key}' came earlier with another input. Send the same input "
            "again to get its answer, or use a new key for a new execution.",
            execution_id=str(row[0]),
        )
    return Accepted(str(row[0]), duplicate=True)


async def _ensure_room(connection: AsyncConnection, key: Key) -> None:
    ours = select(_f.execution_id).where(key.matches(), _f.state == "waiting").limit(MAX_WAITING).subquery()
    if (await connection.scalar(select(func.count()).select_from(ours)) or 0) >= MAX_WAITING:
        raise QueueFull(
            f"{MAX_WAITING} executions of this key wait by flow control, and at most so many may. Nothing was started. "
            "Send it again later, or raise concurrency and throttle of the workflow.",
            retry_after_seconds=5,
        )


async def _insert(connection: AsyncConnection, request: StartRequest, ticket: FlowTicket, now: datetime) -> None:
    row = {
        "id": request.execution_id,
        "project_id": request.project_id,
        "workflow_id": request.workflow_id,
        "version": request.version,
        "status": "queued",
        "trigger_id": request.trigger_id,
        "input": request.input,
        "context": request.context,
        "idempotency_key": request.idempotency_key,
        "request_digest": request.request_digest,
        "created_at": request.created_at,
        "priority": request.priority.value,
        "claimable_at": _NEVER,
    }
    entry = {
        "execution_id": request.execution_id,
        "project_id": request.project_id,
        "workflow_id": request.workflow_id,
        "key": ticket.key,
        "state": "waiting",
        "priority": request.priority.value,
        "size": 1,
        "bytes": ticket.bytes,
        "first_at": now,
        "queued_at": now,
    }
    try:
        await connection.execute(insert(workflow_executions).values(row))
    except IntegrityError:
        raise NotFound(
            f"There is no version {request.version} of the workflow {request.workflow_id}; nothing was started."
        ) from None
    await connection.execute(insert(flow_entries).values(entry))


async def _merge(connection: AsyncConnection, request: StartRequest, into: str, control: FlowControl) -> None:
    """The execution that is held takes the arrival's input: beside the others, or in their place."""
    ours = _e.id == into
    values: dict[str, Any] = {"input": request.input}
    if control.batch is not None:
        held = (await connection.execute(select(_e.input).where(ours))).scalar_one()
        values = {"input": {"items": [*held["items"], *request.input["items"]]}}
    else:
        values |= {"context": request.context, "trigger_id": request.trigger_id, "version": request.version}
    await connection.execute(update(workflow_executions).where(ours).values(values))


def _arrival(request: StartRequest, ticket: FlowTicket, into: str | None, now: datetime) -> dict[str, Any]:
    return {
        "id": request.execution_id,
        "project_id": request.project_id,
        "workflow_id": request.workflow_id,
        "key": ticket.key,
        "at": now,
        "execution_id": into or request.execution_id,
        "idempotency_key": request.idempotency_key if into is not None else None,
        "request_digest": request.request_digest if into is not None else None,
    }


async def _write(
    connection: AsyncConnection, change: tuple[FlowState, FlowState], decisions: Sequence[Decision], *, now: datetime
) -> None:
    """Keeps the state that was decided upon: the second of `change`, which was the first."""
    before, after = change

    async def set_(execution_id: str, **values: Any) -> None:
        await connection.execute(update(flow_entries).where(_f.execution_id == execution_id).values(values))

    held = after.held
    if held is not None and held != before.held:
        values = {"size": held.size, "bytes": held.bytes, "priority": held.priority.value, "due_at": held.due_at}
        await set_(held.id, state="held", queued_at=None, **values)
    waiting = {each.id for each in before.waiting}
    for each in after.waiting:
        if each.id not in waiting:
            await set_(each.id, state="waiting", queued_at=now, due_at=None, priority=each.priority.value)
    begun = [each.id for each in decisions if each.action is Action.BEGUN]
    for id_ in begun:
        await set_(id_, state="begun", begun_at=now, due_at=None)
    if begun:
        await connection.execute(_BEGIN, {"ids": begun})


async def _forget_due(connection: AsyncConnection, key: Key, now: datetime) -> None:
    """The time to look has come for those that wait; where concurrency holds them up, the end of another one counts."""
    waits = (key.matches(), _f.state == "waiting", _f.due_at <= now)
    await connection.execute(update(flow_entries).where(*waits).values(due_at=None))


async def _look_again(connection: AsyncConnection, control: FlowControl, state: FlowState, now: datetime) -> None:
    """Notes when the throttle lets the next one begin."""
    again = next_at(control, replace(state, held=None), now)
    if state.waiting and again is not None:
        await connection.execute(
            update(flow_entries).where(_f.execution_id == state.waiting[0].id).values(due_at=again)
        )
