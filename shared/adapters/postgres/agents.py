"""AgentTurns and AgentMemory on PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import agent_memory, agent_turns, model_usage, projects
from shared.errors import ModelQuotaUsedUp
from shared.ids import new_id
from shared.ports import AgentMemory, AgentRun, AgentTurnRecord, AgentTurns, MemoryKey

_t = agent_turns.c
_m = agent_memory.c
_u = model_usage.c
_RECORD = (_t.number, _t.messages, _t.output, _t.meta)


class PostgresAgentTurns(AgentTurns):
    """Finished turns; the first of a number stays."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    async def finished(self, run: AgentRun) -> Sequence[AgentTurnRecord]:
        """In order. Raises StoreUnavailable."""
        async with transaction(self._engine) as connection:
            rows = await connection.execute(select(*_RECORD).where(_of(run)).order_by(_t.number))
            return [AgentTurnRecord(*row) for row in rows]

    async def keep(self, run: AgentRun, turn: AgentTurnRecord) -> AgentTurnRecord:
        """Keeps a turn, and gives the one that is kept: the first of this number. Raises StoreUnavailable."""
        row = insert(agent_turns).values(asdict(run) | asdict(turn)).on_conflict_do_nothing()
        async with transaction(self._engine) as connection:
            if (await connection.execute(row.returning(_t.number))).scalar() is not None:
                await connection.execute(self._counted(run.project_id, turn.meta))
            kept = select(*_RECORD).where(_of(run), _t.number == turn.number)
            return AgentTurnRecord(*(await connection.execute(kept)).one())

    async def ensure_room(self, project_id: str) -> None:
        """Raises ModelQuotaUsedUp and StoreUnavailable."""
        columns = (projects.c.max_tokens_per_day, projects.c.max_dollars_per_day, _u.tokens, _u.dollars)
        today = and_(_u.project_id == projects.c.id, _u.day == self._today())
        query = select(*columns).outerjoin(model_usage, today).where(projects.c.id == project_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        tokens, dollars, used_tokens, used_dollars = row or (None, None, None, None)
        for name, most, used in (("tokens", tokens, used_tokens), ("dollars", dollars, used_dollars)):
            if most is not None and (used or 0) >= most:
                raise ModelQuotaUsedUp(
                    f"The agents of this project may use {most:g} {name} a day, and have used {used:g}. No model was "
                    f"asked. Redrive the execution after midnight (UTC), or raise max_{name}_per_day: PUT "
                    "/api/projects/{id}.",
                    most=most,
                    used=used,
                )

    def _counted(self, project_id: str, meta: dict[str, Any]) -> Insert:
        usage = meta.get("usage") or {}
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        row = {"project_id": project_id, "day": self._today(), "tokens": tokens, "dollars": meta.get("cost_usd") or 0.0}
        new = insert(model_usage).values(row)
        more = {"tokens": _u.tokens + new.excluded.tokens, "dollars": _u.dollars + new.excluded.dollars}
        return new.on_conflict_do_update(index_elements=["project_id", "day"], set_=more)

    def _today(self) -> date:
        return self._now().date()


def _of(run: AgentRun) -> ColumnElement[bool]:
    return and_(_t.execution_id == run.execution_id, _t.node == run.node, _t.iteration == run.iteration)


class PostgresAgentMemory(AgentMemory):
    """One row an execution; what is older than the window stays, and is not read."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def recall(self, key: MemoryKey, window: int) -> list[Any]:
        """The newest `window` messages, oldest first. Raises StoreUnavailable."""
        mine = and_(*(_m[name] == value for name, value in asdict(key).items()))
        newest = select(_m.messages).where(mine).order_by(_m.id.desc()).limit(window)
        async with transaction(self._engine) as connection:
            rows = list(await connection.scalars(newest))
        return [message for messages in reversed(rows) for message in messages][-window:]

    async def remember(self, key: MemoryKey, execution_id: str, messages: list[Any]) -> None:
        """Adds messages, once for each execution however often it is asked to. Raises StoreUnavailable."""
        row = insert(agent_memory).values(id=new_id(), execution_id=execution_id, messages=messages, **asdict(key))
        async with transaction(self._engine) as connection:
            await connection.execute(row.on_conflict_do_nothing())
