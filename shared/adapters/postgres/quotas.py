"""How many executions a project may start in a day (UTC)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.adapters.postgres.session import Connection
from shared.errors import QuotaUsedUp

_COUNT_EVERY_SECONDS = 1.0

# Ids grow with time (UUIDv7), so that those of today are the end of an index.
_USED = """
SELECT p.max_executions_per_day, (
    SELECT count(*) FROM (
        SELECT 1 FROM workflow_executions AS e WHERE e.project_id = p.id AND e.id >= %s
        LIMIT p.max_executions_per_day
    ) AS today
) FROM projects AS p WHERE p.id = %s AND p.max_executions_per_day IS NOT NULL
"""


@dataclass(slots=True)
class _Used:
    most: int | None = None
    count: int = 0
    day: int = 0
    read_at: float = float("-inf")


class DailyQuota:
    """Counts once a second in the database, and in between what this process took in: several processes may together
    take in as much too many as they do in a second."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._used: dict[str, _Used] = {}

    def is_full(self, project_id: str) -> bool:
        """Whether today's are used up, as far as this process knows."""
        used = self._used.get(project_id)
        return used is not None and used.most is not None and used.count >= used.most and used.day == self._day()

    def ensure_room(self, project_id: str) -> None:
        """Takes one of today's. Raises QuotaUsedUp."""
        if not self.is_full(project_id):
            self._used.setdefault(project_id, _Used()).count += 1
            return
        now = self._now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        raise QuotaUsedUp(
            f"This project may start {self._used[project_id].most} executions a day, and has. Nothing was started. "
            "Come back after midnight (UTC), or raise max_executions_per_day: PUT /api/projects/{id}.",
            retry_after_seconds=int((midnight - now).total_seconds()) + 1,
        )

    async def count(self, connection: Connection, project_ids: Sequence[str]) -> None:
        """Asks the database where that was a second ago."""
        for project_id in set(project_ids):
            used = self._used.setdefault(project_id, _Used())
            if time.monotonic() - used.read_at > _COUNT_EVERY_SECONDS or used.day != self._day():
                await self._refresh(connection, project_id)

    async def _refresh(self, connection: Connection, project_id: str) -> None:
        row = await (await connection.execute(_USED, (self._first_id(), UUID(project_id)))).fetchone()
        most, count = (int(str(row[0])), int(str(row[1]))) if row else (None, 0)
        self._used[project_id] = _Used(most, count, self._day(), time.monotonic())

    def _day(self) -> int:
        return self._now().toordinal()

    def _first_id(self) -> UUID:
        """The lowest UUIDv7 of today (RFC 9562, 5.7: the first 48 bits are milliseconds)."""
        midnight = self._now().replace(hour=0, minute=0, second=0, microsecond=0)
        return UUID(int=int(midnight.timestamp() * 1000) << 80)
