"""Keeping what could not be started, and switching off event triggers that fail persistently."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.postgres.event_rows import INSERT_EVENTS, columns_of
from shared.adapters.postgres.tables import dead_letters, trigger_state, triggers, workflow_executions
from shared.ids import new_id
from shared.triggers.dead_letters import LetterStatus, Undelivered
from shared.triggers.events.lifecycle import event_of_pause
from shared.triggers.events.trigger import EventTriggerConfig
from shared.triggers.records import Trigger, TriggerType

_d = dead_letters.c
_e = workflow_executions.c


async def keep_failures(connection: AsyncConnection, undelivered: Sequence[Undelivered], now: datetime) -> None:
    """Keeps what failed, each failure once; event triggers that failed too often in a row are switched off."""
    if not undelivered:
        return
    rows = insert(dead_letters).values([_row(each, now) for each in undelivered])
    await connection.execute(rows.on_conflict_do_nothing())
    failed = {each.trigger.id: each for each in undelivered if each.trigger is not None}
    for each in failed.values():
        if each.trigger is not None and each.trigger.type is TriggerType.EVENT:
            await _pause_where_persistent(connection, each.trigger, each.reason, now)


async def pause(connection: AsyncConnection, trigger: Trigger, reason: str, now: datetime) -> bool:
    """Switches a trigger off, unless it was changed meanwhile, and tells so on the bus."""
    unchanged = and_(triggers.c.id == trigger.id, triggers.c.is_active, triggers.c.updated_at == trigger.updated_at)
    off = update(triggers).where(unchanged).values(is_active=False, updated_at=now)
    if (await connection.execute(off)).rowcount == 0:
        return False
    await connection.exec_driver_sql(INSERT_EVENTS, columns_of([event_of_pause(trigger, reason, now)], [True]))
    return True


async def _pause_where_persistent(connection: AsyncConnection, trigger: Trigger, error: str, now: datetime) -> None:
    """Failures in a row are those since the trigger last started something, or was last changed."""
    ours = and_(_e.workflow_id == trigger.workflow_id, _e.trigger_id == trigger.id)
    started = select(_e.created_at).where(ours).order_by(_e.id.desc()).limit(1).scalar_subquery()
    since = func.greatest(started, trigger.updated_at)
    count = select(func.count()).where(_d.trigger_id == trigger.id, _d.created_at > since)
    failures = await connection.scalar(count) or 0
    if failures < EventTriggerConfig.model_validate(trigger.config).pause_after_failures:
        return
    reason = f"{failures} events in a row started nothing, the last one because: {error}"
    if await pause(connection, trigger, reason, now):
        document = {"paused_reason": reason}
        state = insert(trigger_state).values(trigger_id=trigger.id, project_id=trigger.project_id, document=document)
        kept = state.on_conflict_do_update(index_elements=["trigger_id"], set_={"document": state.excluded.document})
        await connection.execute(kept)


def _row(undelivered: Undelivered, now: datetime) -> dict[str, Any]:
    trigger = undelivered.trigger
    return {
        "id": new_id(),
        "project_id": undelivered.project_id,
        "key": undelivered.key,
        "stage": undelivered.stage.value,
        "trigger_id": trigger.id if trigger else None,
        "workflow_id": trigger.workflow_id if trigger else None,
        "code": undelivered.code,
        "reason": undelivered.reason,
        "payload": undelivered.payload,
        "status": LetterStatus.WAITING.value,
        "attempts": 1,
        "execution_id": None,
        "created_at": now,
        "updated_at": now,
    }
