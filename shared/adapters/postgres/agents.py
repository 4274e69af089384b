"""AgentTurns and AgentMemory on PostgreSQL, without SQLAlchemy: the Lambda of agents has them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from shared.adapters.postgres.rows import document, row, rows
from shared.adapters.postgres.session import Connection, Database
from shared.errors import ModelQuotaUsedUp
from shared.ids import new_id
from shared.ports import AgentMemory, AgentRun, AgentTurnRecord, AgentTurns, MemoryKey

_FINISHED = """
SELECT number, messages, output, meta FROM agent_turns
WHERE execution_id = %(execution_id)s AND node = %(node)s AND iteration = %(iteration)s
"""
_KEEP = """
INSERT INTO agent_turns (project_id, execution_id, node, iteration, number, messages, output, meta)
VALUES (
    %(project_id)s, %(execution_id)s, %(node)s, %(iteration)s, %(number)s, %(messages)s, %(output)s, %(meta)s
)
ON CONFLICT DO NOTHING RETURNING number
"""
_COUNT = """
INSERT INTO model_usage AS u (project_id, day, tokens, dollars) VALUES (%s, %s, %s, %s)
ON CONFLICT (project_id, day) DO UPDATE
SET tokens = u.tokens + excluded.tokens, dollars = u.dollars + excluded.dollars
"""
_USED = """
SELECT p.max_tokens_per_day, p.max_dollars_per_day, u.tokens, u.dollars
FROM projects AS p LEFT JOIN model_usage AS u ON u.project_id = p.id AND u.day = %s
WHERE p.id = %s
"""
_RECALL = """
SELECT messages FROM agent_memory
WHERE project_id = %(project_id)s AND workflow_id = %(workflow_id)s AND node = %(node)s AND key = %(key)s
ORDER BY id DESC LIMIT %(window)s
"""
_REMEMBER = """
INSERT INTO agent_memory (id, project_id, workflow_id, node, key, execution_id, messages)
VALUES (%(id)s, %(project_id)s, %(workflow_id)s, %(node)s, %(key)s, %(execution_id)s, %(messages)s)
ON CONFLICT DO NOTHING
"""


class PostgresAgentTurns(AgentTurns):
    """Finished turns; the first of a number stays."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def finished(self, run: AgentRun) -> Sequence[AgentTurnRecord]:
        """In order. Raises StoreUnavailable."""
        async with self._database.transaction() as connection:
            found = await rows(connection, f"{_FINISHED} ORDER BY number", asdict(run))
        return [AgentTurnRecord(*each) for each in found]

    async def keep(self, run: AgentRun, turn: AgentTurnRecord) -> AgentTurnRecord:
        """Keeps a turn, and gives the one that is kept: the first of this number. Raises StoreUnavailable."""
        documents = {name: document(getattr(turn, name)) for name in ("messages", "output", "meta")}
        values = {**asdict(run), "number": turn.number, **documents}
        async with self._database.transaction() as connection:
            if await row(connection, _KEEP, values) is not None:
                await self._count(connection, run.project_id, turn.meta)
            (kept,) = await rows(connection, f"{_FINISHED} AND number = %(number)s", values)
        return AgentTurnRecord(*kept)

    async def ensure_room(self, project_id: str) -> None:
        """Raises ModelQuotaUsedUp and StoreUnavailable."""
        async with self._database.transaction() as connection:
            found = await row(connection, _USED, (self._today(), project_id))
        tokens, dollars, used_tokens, used_dollars = found or (None, None, None, None)
        for name, most, used in (("tokens", tokens, used_tokens), ("dollars", dollars, used_dollars)):
            if most is not None and (used or 0) >= most:
                raise ModelQuotaUsedUp(
                    f"The agents of this project may use {most:g} {name} a day, and have used {used:g}. No model was "
                    f"asked. Redrive the execution after midnight (UTC), or raise max_{name}_per_day: PUT "
                    "/api/projects/{id}.",
                    most=most,
                    used=used,
                )

    async def _count(self, connection: Connection, project_id: str, meta: dict[str, Any]) -> None:
        usage = meta.get("usage") or {}
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        await connection.execute(_COUNT, (project_id, self._today(), tokens, meta.get("cost_usd") or 0.0))

    def _today(self) -> date:
        return self._now().date()


class PostgresAgentMemory(AgentMemory):
    """One row an execution; what is older than the window stays, and is not read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, key: MemoryKey, window: int) -> list[Any]:
        """The newest `window` messages, oldest first. Raises StoreUnavailable."""
        async with self._database.transaction() as connection:
            found = await rows(connection, _RECALL, {**asdict(key), "window": window})
        return [message for each in reversed(found) for message in each.messages][-window:]

    async def remember(self, key: MemoryKey, execution_id: str, messages: list[Any]) -> None:
        """Adds messages, once for each execution however often it is asked to. Raises StoreUnavailable."""
        values = {**asdict(key), "id": new_id(), "execution_id": execution_id, "messages": document(messages)}
        async with self._database.transaction() as connection:
            await connection.execute(_REMEMBER, values)
