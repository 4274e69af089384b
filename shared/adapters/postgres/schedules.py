"""TriggerStates, TriggerRuns and PollSources on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, and_, exists, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.failures import keep_failures, pause
from shared.adapters.postgres.tables import poll_sources, trigger_state, triggers, workflow_executions, workflows
from shared.ids import is_id
from shared.ports import ClaimedTrigger, PollSources, TriggerRuns, TriggerState, TriggerStates, UnfinishedRun
from shared.triggers.dead_letters import Undelivered
from shared.triggers.records import Trigger, TriggerType

_s = trigger_state.c
_t = triggers.c
_e = workflow_executions.c


class PostgresTriggerStates(TriggerStates):
    """A row for each trigger, made by the first look at it; a claim is a token in the row and a lease."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def claim(
        self, kind: TriggerType, now: datetime, *, lease: timedelta, limit: int = 10, only: str | None = None
    ) -> Sequence[ClaimedTrigger]:
        """Active triggers of `kind` that are due, new or changed, and that no other process holds. Two processes that
        claim at once skip each other's rows (FOR UPDATE SKIP LOCKED)."""
        active = and_(_t.type == kind.value, _t.is_active, true() if only is None else _t.id == only)
        deleted = exists().where(workflows.c.id == _t.workflow_id, workflows.c.status == "deleted")
        changed = _s.planned_for.is_distinct_from(_t.updated_at)
        free = or_(_s.claimed_until.is_(None), _s.claimed_until <= now)
        picked = (
            select(_s.trigger_id, changed.label("changed"))
            .join(triggers, _t.id == _s.trigger_id)
            .where(active, ~deleted, free, or_(_s.due_at <= now, changed))
            .order_by(_s.due_at.asc().nulls_first())
            .limit(limit)
            .with_for_update(of=trigger_state, skip_locked=True)
            .cte("picked")
        )
        taken = (
            update(trigger_state)
            .values(claim=str(uuid4()), claimed_until=now + lease)
            .where(_s.trigger_id == picked.c.trigger_id, _t.id == picked.c.trigger_id)
            .returning(triggers, _s.claim, _s.due_at, _s.document, picked.c.changed)
        )
        async with transaction(self._engine) as connection:
            await _make_missing(connection, kind)
            rows = (await connection.execute(taken)).all()
        return [_claimed(row) for row in rows]

    async def keep(
        self,
        claimed: ClaimedTrigger,
        state: TriggerState,
        now: datetime,
        *,
        hold: bool = False,
        undelivered: Sequence[Undelivered] = (),
        paused: str | None = None,
    ) -> bool:
        """Keeps what the trigger remembers now, and gives it back unless held. False where another process took it."""
        trigger = claimed.trigger
        kept = (
            update(trigger_state)
            .where(_s.trigger_id == trigger.id, _s.claim == claimed.token)
            .values(planned_for=trigger.updated_at, due_at=state.due_at, document=state.document)
        )
        if not hold:
            kept = kept.values(claim=None, claimed_until=None)
        async with transaction(self._engine) as connection:
            if (await connection.execute(kept)).rowcount == 0:
                return False
            await keep_failures(connection, undelivered, now)
            if paused is not None:
                await pause(connection, trigger, paused, now)
        return True

    async def get(self, project_id: str, trigger_id: str) -> TriggerState | None:
        """What the trigger remembers; None before the first look."""
        if not is_id(trigger_id):
            return None
        query = select(trigger_state).where(_s.project_id == project_id, _s.trigger_id == trigger_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None or row.document is None else TriggerState(row.document, row.due_at)


class PostgresTriggerRuns(TriggerRuns):
    """Executions by the trigger that started them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, workflow_id: str, idempotency_key: str) -> str | None:
        """The execution that was started under the key."""
        query = select(_e.id).where(_e.workflow_id == workflow_id, _e.idempotency_key == idempotency_key)
        async with transaction(self._engine) as connection:
            found: str | None = (await connection.execute(query)).scalar_one_or_none()
        return found

    async def unfinished(self, project_id: str, trigger_id: str, limit: int = 100) -> Sequence[UnfinishedRun]:
        """Executions that the trigger started and that have not ended, oldest first."""
        ours = and_(_e.project_id == project_id, _e.trigger_id == trigger_id, _e.completed_at.is_(None))
        query = select(_e.id, _e.idempotency_key).where(ours).order_by(_e.id).limit(limit)
        async with transaction(self._engine) as connection:
            return [UnfinishedRun(*row) for row in await connection.execute(query)]


class PostgresPollSources(PollSources):
    """A row for each source: when the next request may be made."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def reserve(self, project_id: str, source: str, now: datetime, spacing: timedelta) -> datetime | None:
        """None where a request may be made now, and the next one `spacing` later; else when to ask again."""
        row = insert(poll_sources).values(project_id=project_id, source=source, next_at=now + spacing)
        taken = row.on_conflict_do_update(
            index_elements=["project_id", "source"],
            set_={"next_at": row.excluded.next_at},
            where=poll_sources.c.next_at <= now,
        ).returning(poll_sources.c.next_at)
        ours = and_(poll_sources.c.project_id == project_id, poll_sources.c.source == source)
        async with transaction(self._engine) as connection:
            if (await connection.execute(taken)).one_or_none() is not None:
                return None
            later: datetime = (await connection.execute(select(poll_sources.c.next_at).where(ours))).scalar_one()
            return later


async def _make_missing(connection: AsyncConnection, kind: TriggerType) -> None:
    """Rows for triggers that were never looked at."""
    known = exists().where(_s.trigger_id == _t.id)
    new = select(_t.id, _t.project_id).where(_t.type == kind.value, _t.is_active, ~known)
    rows = insert(trigger_state).from_select(["trigger_id", "project_id"], new)
    await connection.execute(rows.on_conflict_do_nothing())


def _claimed(row: Row[Any]) -> ClaimedTrigger:
    trigger = Trigger(
        id=row.id,
        project_id=row.project_id,
        workflow_id=row.workflow_id,
        type=TriggerType(row.type),
        config=row.config,
        is_active=row.is_active,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
    state = None if row.document is None else TriggerState(row.document, row.due_at)
    return ClaimedTrigger(trigger, row.claim, state, changed=row.changed)
