"""DeadLetters on PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.failures import keep_failures
from shared.adapters.postgres.tables import dead_letters
from shared.ids import is_id
from shared.ports import Page
from shared.ports.events import DeadLetters
from shared.triggers.dead_letters import DeadLetter, LetterStatus, Stage, Undelivered

_d = dead_letters.c


class PostgresDeadLetters(DeadLetters):
    """What could not be started, newest first.

    Lists come from `reader`, a copy that follows the database, where there is one.
    """

    def __init__(self, engine: AsyncEngine, reader: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._reader = reader or engine

    async def list(
        self,
        project_id: str,
        *,
        status: LetterStatus | None = None,
        trigger_id: str | None = None,
        workflow_id: str | None = None,
        stage: Stage | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[DeadLetter]:
        """Newest first. Raises InvalidParameter for a bad cursor."""
        query = select(dead_letters).where(_d.project_id == project_id)
        if status is not None:
            query = query.where(_d.status == status.value)
        if trigger_id is not None:
            query = query.where(_d.trigger_id == trigger_id)
        if workflow_id is not None:
            query = query.where(_d.workflow_id == workflow_id)
        if stage is not None:
            query = query.where(_d.stage == stage.value)
        if cursor is not None:
            query = query.where(_d.id < decode_cursor(cursor))
        async with transaction(self._reader) as connection:
            rows = (await connection.execute(query.order_by(_d.id.desc()).limit(limit + 1))).all()
        return page(rows, limit, _letter)

    async def keep(self, undelivered: Undelivered, now: datetime) -> None:
        """Keeps one failure, once however often it is told. Raises StoreUnavailable."""
        async with transaction(self._engine) as connection:
            await keep_failures(connection, [undelivered], now)

    async def get(self, project_id: str, letter_id: str) -> DeadLetter | None:
        if not is_id(letter_id):
            return None
        query = select(dead_letters).where(_d.project_id == project_id, _d.id == letter_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _letter(row)

    async def waiting(self, project_id: str) -> Mapping[Stage, int]:
        """How many wait, by where they failed."""
        waits = and_(_d.project_id == project_id, _d.status == LetterStatus.WAITING.value)
        query = select(_d.stage, func.count()).where(waits).group_by(_d.stage)
        async with transaction(self._reader) as connection:
            return {Stage(stage): count for stage, count in await connection.execute(query)}

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


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        project_id=row.project_id,
        key=row.key,
        stage=Stage(row.stage),
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
