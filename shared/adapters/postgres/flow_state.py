"""The state of one key of flow control, as the rows say it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Uuid, and_, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.tables import flow_arrivals, flow_entries
from shared.executions.flow import FlowState, Held, Waiting
from shared.executions.records import Priority
from shared.workflow.flow_control import FlowControl

_MOST = 1_000
"""Executions that one look lets begin at most, where nothing limits them."""

_f, _a = flow_entries.c, flow_arrivals.c
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 6))")
_END = text(
    """
    UPDATE flow_entries AS f SET state = 'ended', due_at = NULL FROM workflow_executions AS e
    WHERE f.workflow_id = :workflow_id AND f.key = :key AND f.state <> 'ended'
      AND e.id = f.execution_id AND e.completed_at IS NOT NULL
    """
).bindparams(bindparam("workflow_id", type_=Uuid(as_uuid=False)))


@dataclass(frozen=True, slots=True)
class Key:
    """What of a workflow flows by itself."""

    workflow_id: str
    key: str

    @property
    def name(self) -> str:
        """Of its lock."""
        return f"flow {self.workflow_id} {self.key}"

    def matches(self) -> ColumnElement[bool]:
        """The entries of this key."""
        return and_(_f.workflow_id == self.workflow_id, _f.key == self.key)


async def lock(connection: AsyncConnection, name: str) -> None:
    """Keeps others away until the transaction ends."""
    await connection.execute(_LOCK, {"name": name})


async def load(connection: AsyncConnection, key: Key, control: FlowControl, now: datetime) -> FlowState:
    """The state of the key, which has to be locked. Of what waits, as many as may begin now and one more."""
    await connection.execute(_END, {"workflow_id": key.workflow_id, "key": key.key})
    running = await connection.scalar(select(func.count()).where(key.matches(), _f.state == "begun")) or 0
    begun = await _begun(connection, key, control, now)
    room = _MOST
    if control.concurrency is not None:
        room = min(room, control.concurrency.limit - running)
    if control.throttle is not None:
        room = min(room, control.throttle.limit - len(begun))
    return FlowState(
        accepted=await _accepted(connection, key, control, now),
        held=await _held(connection, key),
        waiting=await _waiting(connection, key, max(0, room) + 1),
        running=running,
        begun=begun,
    )


async def _begun(connection: AsyncConnection, key: Key, control: FlowControl, now: datetime) -> tuple[datetime, ...]:
    if control.throttle is None:
        return ()
    since = now - timedelta(seconds=control.throttle.period_seconds)
    query = select(_f.begun_at).where(key.matches(), _f.state.in_(["begun", "ended"]), _f.begun_at > since)
    newest = query.order_by(_f.begun_at.desc()).limit(control.throttle.limit)
    return tuple(reversed((await connection.execute(newest)).scalars().all()))


async def _accepted(connection: AsyncConnection, key: Key, control: FlowControl, now: datetime) -> tuple[datetime, ...]:
    if control.rate_limit is None:
        return ()
    since = now - timedelta(seconds=control.rate_limit.period_seconds)
    query = select(_a.at).where(_a.workflow_id == key.workflow_id, _a.key == key.key, _a.at > since)
    newest = query.order_by(_a.at.desc()).limit(control.rate_limit.limit)
    return tuple(reversed((await connection.execute(newest)).scalars().all()))


async def _held(connection: AsyncConnection, key: Key) -> Held | None:
    query = select(flow_entries).where(key.matches(), _f.state == "held")
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return Held(str(row.execution_id), row.first_at, row.due_at, Priority(row.priority), row.size, row.bytes)


async def _waiting(connection: AsyncConnection, key: Key, most: int) -> tuple[Waiting, ...]:
    query = select(_f.execution_id, _f.priority).where(key.matches(), _f.state == "waiting")
    ordered = query.order_by(_f.priority.desc(), _f.queued_at, _f.execution_id).limit(most)
    return tuple(Waiting(str(id_), Priority(priority)) for id_, priority in await connection.execute(ordered))
