"""DeadLetters on PostgreSQL, and the switching off of triggers that fail persistently."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import dead_letters, trigger_state, triggers, workflow_executions
from shared.ids import is_id, new_id
from shared.ports import Page
from shared.ports.events import DeadLetters, Undelivered
from shared.triggers.events.replays import DeadLetter, LetterStatus
from shared.triggers.events.trigger import EventTriggerConfig
from shared.triggers.records import Trigger

_d = dead_letters.c
_e = workflow_executions.c


class PostgresDeadLetters(DeadLetters):
    """What could not be started, newest first."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list(
        self,
        project_id: str,
        *,
        status: LetterStatus | None = None,
        trigger_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[DeadLetter]:
        """Newest first. Raises InvalidParameter for a bad cursor."""
        query = select(dead_letters).where(_d.project_id == project_id)
        if status is not None:
            query = query.where(_d.status == status.value)
        if trigger_id is not None:
            query = query.where(_d.trigger_id == trigger_id)
        if cursor is not None:
            query = query.where(_d.id < decode_cursor(cursor))
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query.order_by(_d.id.desc()).limit(limit + 1))).all()
        return page(rows, limit, _letter)

    async def get(self, project_id: str, letter_id: str) -> DeadLetter | None:
        if not is_id(letter_id):
            return None
        query = select(dead_letters).where(_d.project_id == project_id, _d.id == letter_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _letter(row)

    async def settle(self, letter: DeadLetter) -> bool:
        """Stores status, reason, attempts and execution. False where it does not wait any more."""
        waiting = and_(_d.project_id == letter.project_id, _d.id == letter.id, _d.status == LetterStatus.WAITING.value)
        values = {
            "status": letter.status.value,
            "code": letter.code,
            "reason": letter.reason,
            "attempts": letter.attempts,
            "execution_id": letter.execution_id,
            "updated_at": letter.updated_at,
        }
        async with transaction(self._engine) as connection:
            return (await connection.execute(update(dead_letters).where(waiting).values(values))).rowcount == 1


async def keep(connection: AsyncConnection, undelivered: Sequence[Undelivered], now: datetime) -> list[Trigger]:
    """Keeps what failed, each failure once; gives the triggers that failed so often in a row that they were switched
    off now."""
    if not undelivered:
        return []
    rows = insert(dead_letters).values([_row(each, now) for each in undelivered])
    await connection.execute(rows.on_conflict_do_nothing())
    failed = {each.trigger.id: each for each in undelivered if each.trigger is not None}
    return [each.trigger for each in failed.values() if each.trigger and await _paused(connection, each, now)]


async def _paused(connection: AsyncConnection, failed: Undelivered, now: datetime) -> bool:
    """Failures in a row are those since the trigger last started something, or was last changed."""
    trigger = failed.trigger
    if trigger is None:
        return False
    ours = and_(_e.workflow_id == trigger.workflow_id, _e.trigger_id == trigger.id)
    started = select(_e.created_at).where(ours).order_by(_e.id.desc()).limit(1).scalar_subquery()
    since = func.greatest(started, trigger.updated_at)
    count = select(func.count()).where(_d.trigger_id == trigger.id, _d.created_at > since)
    failures = await connection.scalar(count) or 0
    if failures < EventTriggerConfig.model_validate(trigger.config).pause_after_failures:
        return False
    unchanged = and_(triggers.c.id == trigger.id, triggers.c.is_active, triggers.c.updated_at == trigger.updated_at)
    off = update(triggers).where(unchanged).values(is_active=False, updated_at=now)
    if (await connection.execute(off)).rowcount == 0:
        return False
    document = {"paused_reason": f"{failures} events in a row started nothing.", "last_error": failed.reason}
    state = insert(trigger_state).values(trigger_id=trigger.id, project_id=trigger.project_id, document=document)
    kept = state.on_conflict_do_update(index_elements=["trigger_id"], set_={"document": state.excluded.document})
    await connection.execute(kept)
    return True


def _row(undelivered: Undelivered, now: datetime) -> dict[str, Any]:
    trigger, event = undelivered.trigger, undelivered.event
    return {
        "id": new_id(),
        "project_id": event.project_id,
        "key": undelivered.key,
        "stage": "event",
        "trigger_id": trigger.id if trigger else None,
        "workflow_id": trigger.workflow_id if trigger else None,
        "code": undelivered.code,
        "reason": undelivered.reason,
        "payload": {"event": event.document, "depth": event.depth, "replay": undelivered.replay},
        "status": LetterStatus.WAITING.value,
        "attempts": 1,
        "execution_id": None,
        "created_at": now,
        "updated_at": now,
    }


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        project_id=row.project_id,
        stage=row.stage,
        trigger_id=row.trigger_id,
        workflow_id=row.workflow_id,
        code=row.code,
        reason=row.reason,
        payload=row.payload,
        status=LetterStatus(row.status),
        attempts=row.attempts,
        execution_id=row.execution_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
