"""RateLimits on Redis or Valkey: sliding windows of the `limits` library.

A window is counted in two halves of fixed time, the older one by the part of it that the window still covers
(https://limits.readthedocs.io/en/stable/strategies.html#sliding-window-counter).

Two ways to live without the server. The API's limits guard against guessing and overload: then each process counts for
itself, which holds the limits a little higher. Webhooks must not be lost because a cache is away: they all pass.
"""

import logging
import math
import time
from asyncio import Lock, gather, timeout
from collections.abc import Sequence
from dataclasses import dataclass, field

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from shared.adapters.redis.client import Client
from shared.ports.limits import RateLimit, RateLimits, RateState

_PATIENCE_SECONDS = 0.5
_DOWN_SECONDS = 1.0
"""How long a server that did not answer is not asked."""
_REFUSED_SECONDS = 0.1
_SHARE_SECONDS = 1.0
_SHARES = 100
"""A share is at most this part of a limit."""
_MAX_SUBJECTS = 10_000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Share:
    """What this process took of a limit, and until when it may spend it. `used`: how many it needed in this time."""

    left: int = 0
    used: int = 0
    until: float = 0.0
    refused: RateState | None = None
    refused_until: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def state(self, limit: RateLimit, now: float) -> RateState | None:
        """Without asking anybody; None where that cannot be said."""
        if self.refused is not None and now < self.refused_until:
            return self.refused
        if self.left < 1 or now >= self.until:
            return None
        self.left, self.used = self.left - 1, self.used + 1
        return _passed(limit)

    def next_size(self, limit: RateLimit, now: float) -> int:
        """As many as were needed in the time before, up to a hundredth of the limit; and begins a new time."""
        recent = self.used if now < self.until + _SHARE_SECONDS else 1
        if now >= self.until:
            self.left, self.used, self.until = 0, 0, now + _SHARE_SECONDS
        return max(1, min(recent, limit.amount // _SHARES))


class _Storage(RedisStorage):
    """The library's, over a client that is there already; it would make one of its own, and of a cluster another."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        super().__init__("async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix="millrace:limit")

    def configure_bridge(self) -> None:
        self.bridge.connection_getter = lambda _: self._redis  # type: ignore[attr-defined]  # the one of redis-py has it


class RedisRateLimits(RateLimits):
    """Counts in the server, and in this process while the server is away."""

    def __init__(self, redis: Client) -> None:
        """`redis` is used, and not closed."""
        self._shared = SlidingWindowCounterRateLimiter(_Storage(redis))
        self._own: SlidingWindowCounterRateLimiter | None = None
        self._shares: dict[RateLimit, _Share] = {}
        self._down_until = 0.0

    async def hit(self, limits: Sequence[RateLimit]) -> Sequence[RateState]:
        """One state for each limit that is one, in their order."""
        wanted = [each for each in limits if each.amount > 0]
        if time.monotonic() >= self._down_until:
            try:
                async with timeout(_PATIENCE_SECONDS):
                    return await gather(*(_hit(self._shared, each) for each in wanted))
            except (StorageError, TimeoutError) as error:
                self._went_down(error)
        if self._own is None:
            self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        return [await _hit(self._own, each) for each in wanted]

    async def spend(self, limit: RateLimit) -> RateState:
        """Asks the server once for many requests, where there are many."""
        share = self._share(limit)
        if limit.amount <= 0 or time.monotonic() < self._down_until:
            return _passed(limit)
        if (state := share.state(limit, time.monotonic())) is not None:
            return state
        async with share.lock:  # those who wait here may find that the share is enough for them, too
            if (state := share.state(limit, time.monotonic())) is not None:
                return state
            try:
                async with timeout(_PATIENCE_SECONDS):
                    return await self._take(limit, share)
            except (StorageError, TimeoutError) as error:
                self._went_down(error)
                return _passed(limit)

    async def _take(self, limit: RateLimit, share: _Share) -> RateState:
        size = share.next_size(limit, time.monotonic())
        if size > 1 and await self._shared.hit(_item(limit), limit.name, limit.subject, cost=size):
            share.left, share.used = share.left + size - 1, share.used + 1
            return _passed(limit)
        state = await _hit(self._shared, limit)
        share.used += 1
        if not state.allowed:
            share.refused, share.refused_until = state, time.monotonic() + _REFUSED_SECONDS
        return state

    def _share(self, limit: RateLimit) -> _Share:
        if limit not in self._shares and len(self._shares) >= _MAX_SUBJECTS:
            self._shares.clear()
        return self._shares.setdefault(limit, _Share())

    def _went_down(self, error: Exception) -> None:
        self._down_until = time.monotonic() + _DOWN_SECONDS
        log.warning("rate limits are counted by each process alone", extra={"reason": type(error).__name__})


def _passed(limit: RateLimit) -> RateState:
    return RateState(limit, allowed=True, remaining=0, reset_seconds=0)


def _item(limit: RateLimit) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(limit.amount, limit.seconds)


async def _hit(limiter: SlidingWindowCounterRateLimiter, limit: RateLimit) -> RateState:
    item = _item(limit)
    allowed = await limiter.hit(item, limit.name, limit.subject)
    stats = await limiter.get_window_stats(item, limit.name, limit.subject)
    reset = max(1, math.ceil(stats.reset_time - time.time()))
    return RateState(limit, allowed, stats.remaining if allowed else 0, min(reset, limit.seconds))
