"""How often something may happen. May forget at any time, and where it cannot be asked it allows."""

from typing import Protocol


class RateLimits(Protocol):
    async def take(self, name: str, limit: int, period_seconds: int) -> float:
        """Counts one more of `name`, and gives 0, where fewer than `limit` were within the period until now; else the
        seconds until there is room, and counts nothing."""
