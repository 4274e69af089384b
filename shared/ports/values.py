"""Small values under keys, for the workflows of a project."""

from datetime import datetime
from typing import Any, Protocol


class KeyValues(Protocol):
    """Durable. A value that has expired is not there."""

    async def get(self, project_id: str, key: str, now: datetime) -> tuple[bool, Any]:
        """Whether there is one, and the value. Raises StoreUnavailable."""

    async def set(
        self, project_id: str, key: str, value: Any, now: datetime, *, expires_at: datetime | None, if_absent: bool
    ) -> bool:
        """Keeps the value; with `if_absent` only where there is none, and then tells. Raises StoreUnavailable."""
