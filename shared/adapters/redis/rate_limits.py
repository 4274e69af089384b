"""RateLimits on Redis or Valkey: a sorted set of the times of each name, so that no window can be straddled."""

import asyncio
import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.ids import new_id
from shared.ports.rate_limits import RateLimits

PREFIX = "millrace:rate:"

_ANSWER_SECONDS = 0.5
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local limit, period = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - period)
local count = redis.call('ZCARD', KEYS[1])
if count >= limit then
  local oldest = redis.call('ZRANGE', KEYS[1], count - limit, count - limit, 'WITHSCORES')
  return oldest[2] + period - now
end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], period)
return 0
"""

log = logging.getLogger(__name__)


class RedisRateLimits(RateLimits):
    """One step on the server, by the server's clock."""

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(_TAKE)
        self._down = False

    async def take(self, name: str, limit: int, period_seconds: int) -> float:
        """0, or the seconds until there is room; 0 where the server does not answer, which is said once."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                found = await self._take(keys=[PREFIX + name], args=[limit, period_seconds * 1000, new_id()])
        except (RedisError, OSError, TimeoutError) as error:
            if not self._down:
                log.warning("rate limits are off", extra={"reason": type(error).__name__})
            self._down = True
            return 0.0
        self._down = False
        return float(found) / 1000
