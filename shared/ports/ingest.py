"""What the webhook receiver knows where the database does not answer. All of it may be lost."""

from typing import Protocol

from shared.executions.records import Accepted
from shared.triggers.records import WebhookTarget


class WebhookTargets(Protocol):
    async def target(self, path: str) -> WebhookTarget | None:
        """What a delivery to `path` would start, deleted and paused workflows included. Raises StoreUnavailable."""


class IngestCache(Protocol):
    """A cache that does not answer is an empty one."""

    async def kept(self, path: str) -> bytes | None:
        """What was kept of a webhook's path."""

    async def keep(self, path: str, document: bytes | None, seconds: int) -> None:
        """Keeps the document for so long; None forgets what was kept."""

    async def first(self, key: str, accepted: Accepted, digest: str, seconds: int) -> tuple[Accepted, str]:
        """The first answer that was given to `key` within the last `seconds`, and its request's digest; `accepted` and
        `digest` themselves where this is the first."""

    async def forget_first(self, key: str) -> None:
        """The answer was never given."""
