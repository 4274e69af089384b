"""How often somebody may ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

WINDOW_SECONDS = 60
"""The window of a limit that names none."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `amount` requests in any window of `seconds`, for `subject` (an id or an address) within `name`; 0 is no
    limit."""

    name: str
    subject: str
    amount: int
    seconds: int = WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class RateState:
    """What a limit says of one request: how many more there may be, and in how many seconds there may be another."""

    limit: RateLimit
    allowed: bool
    remaining: int
    reset_seconds: int


class RateLimits(Protocol):
    """Counts requests in all processes together."""

    async def hit(self, limits: Sequence[RateLimit]) -> Sequence[RateState]:
        """Counts one request against each limit. Without its server each process counts for itself."""

    async def spend(self, limit: RateLimit) -> RateState:
        """As `hit`, cheaper: a process takes shares of a limit that it uses a lot. Without its server all may pass."""
