"""PublishQueue on Redis or Valkey: token buckets in virtual time, by scripts and the server's clock.

Terms:
  interval   the time in which a bucket gets one token, in microseconds like all times here
  arrival    kept for each operation: when its bucket is full again, if nobody calls it any more
  slot       when a call is due: `arrival` less the tokens that the bucket holds when it is full, or now

This is GCRA (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm) with the slot given out ahead of its time, in
the place of a yes or no. However callers come, in any window of w seconds at most `bucket + w * per_second` slots lie.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Sequence
from typing import Any

from redis.exceptions import RedisError

from shared.adapters.redis.client import Client
from shared.errors import PublishingBusy
from shared.ports.publishing import PublishQueue

PREFIX = "millrace:{publishing}:"
"""The braces keep all keys in one slot of a cluster."""

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 1.0
_KNOWN_SECONDS = 600

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, bucket = tonumber(ARGV[1]), tonumber(ARGV[2])
local function keep(key, arrival)
  redis.call('SET', key, string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
end
"""

_RESERVE = (
    _NOW
    + """
local slot, arrivals = now, {}
for i, key in ipairs(KEYS) do
  arrivals[i] = math.max(now, tonumber(redis.call('GET', key) or '0'))
  slot = math.max(slot, arrivals[i] - interval * (bucket - 1))
end
if slot - now > tonumber(ARGV[3]) then return {0, slot - now} end
for i, key in ipairs(KEYS) do keep(key, math.max(arrivals[i], slot) + interval) end
return {1, slot - now}
"""
)

_REFUSED = (
    _NOW
    + """
local empty = now + interval * bucket
if tonumber(redis.call('GET', KEYS[1]) or '0') < empty then keep(KEYS[1], empty) end
return 0
"""
)


class RedisPublishQueue(PublishQueue):
    """Every operation has a bucket of its own, all of one size. While the server is away nobody waits."""

    def __init__(self, redis: Client, *, bucket: int, per_second: float) -> None:
        """`bucket`: calls in a row of a rested operation; `per_second`: how many more there may be a second."""
        self._redis: Any = redis  # its methods are typed for both, the synchronous and the asynchronous client
        self._size = [math.ceil(1_000_000 / per_second), bucket]
        self._reserve = redis.register_script(_RESERVE)
        self._refused = redis.register_script(_REFUSED)

    async def reserve(self, operations: Sequence[str], within_seconds: float) -> float:
        """One script takes the slot of all operations: of two callers at once one comes first."""
        keys = [PREFIX + each for each in operations]
        arguments = [*self._size, max(0, round(within_seconds * 1_000_000))]
        found = await _asked(self._reserve(keys=keys, args=arguments))
        if found is None:
            return 0.0
        taken, seconds = found[0], found[1] / 1_000_000
        if not taken:
            after = math.ceil(seconds)
            raise PublishingBusy(
                f"Step Functions takes one publication a second or so, and others come first. Try again in {after} s; "
                "activating a workflow publishes what was stored and is not published yet.",
                retry_after_seconds=after,
            )
        return float(seconds)

    async def refused(self, operation: str) -> None:
        """The operation's bucket counts as empty from now on."""
        await _asked(self._refused(keys=[PREFIX + operation], args=self._size))

    async def published(self, machine: str) -> str | None:
        """The digest, if it was remembered within the last ten minutes."""
        found = await _asked(self._redis.get(f"{PREFIX}machine:{machine}"))
        return None if found is None else bytes(found).decode()

    async def remember(self, machine: str, digest: str) -> None:
        """Keeps the digest for ten minutes."""
        await _asked(self._redis.set(f"{PREFIX}machine:{machine}", digest, ex=_KNOWN_SECONDS))


async def _asked(answer: Awaitable[Any]) -> Any:
    """None where the server does not answer."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await answer
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("publications are not queued", extra={"reason": type(error).__name__})
        return None
