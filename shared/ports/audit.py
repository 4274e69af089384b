"""Who did what to what."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from shared.audit.records import Action, AuditFilter, Entry, Head
from shared.ports.common import Page


class AuditLog(Protocol):
    """The audit log. Changes of most tables are written by the store itself, in the transaction of the change."""

    async def record(self, action: Action) -> None:
        """Writes down what the acting caller did, where no table shows it."""

    async def list(self, project_id: str, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[Entry]:
        """Newest first. Raises InvalidParameter for a bad cursor."""

    def export(self, project_id: str) -> AsyncIterator[Entry]:
        """Every entry, oldest first."""

    async def head(self, project_id: str) -> Head: ...

    async def prune(self, before: datetime) -> int:
        """Removes what is older, in every project; how many entries that were."""
