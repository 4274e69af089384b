"""AgentTurns and AgentMemory on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import agent_memory, agent_turns
from shared.ids import new_id
from shared.ports import AgentMemory, AgentRun, AgentTurnRecord, AgentTurns, MemoryKey

_t = agent_turns.c
_m = agent_memory.c
_RECORD = (_t.number, _t.messages, _t.output, _t.meta)


class PostgresAgentTurns(AgentTurns):
    """Finished turns; the first of a number stays."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def finished(self, run: AgentRun) -> Sequence[AgentTurnRecord]:
        """In order. Raises StoreUnavailable."""
        async with transaction(self._engine) as connection:
            rows = await connection.execute(select(*_RECORD).where(_of(run)).order_by(_t.number))
            return [AgentTurnRecord(*row) for row in rows]

    async def keep(self, run: AgentRun, turn: AgentTurnRecord) -> AgentTurnRecord:
        """Keeps a turn, and gives the one that is kept: the first of this number. Raises StoreUnavailable."""
        row = insert(agent_turns).values(asdict(run) | asdict(turn)).on_conflict_do_nothing()
        async with transaction(self._engine) as connection:
            await connection.execute(row)
            kept = select(*_RECORD).where(_of(run), _t.number == turn.number)
            return AgentTurnRecord(*(await connection.execute(kept)).one())


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
