"""Whose turn it is to publish, where somebody else limits how often."""

from collections.abc import Sequence
from typing import Protocol


class PublishQueue(Protocol):
    """Publications of all processes, first come, first served. All that it knows may be lost."""

    async def reserve(self, operations: Sequence[str], within_seconds: float) -> float:
        """In how many seconds each of the operations may be called once, which is then reserved for the caller.

        Raises:
            PublishingBusy: not within so many seconds; nothing is reserved.
        """

    async def refused(self, operation: str) -> None:
        """Whoever limits the operation says that it was called too often, whatever was counted here."""

    async def published(self, machine: str) -> str | None:
        """The digest of what `machine` was published as last, where that is known."""

    async def remember(self, machine: str, digest: str) -> None:
        """What `machine` is published as now; known for some minutes."""
