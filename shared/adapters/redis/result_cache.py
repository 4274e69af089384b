"""ResultCache on Redis or Valkey. A server that does not answer is an empty cache: nodes then do their work."""

import logging
from typing import Any

import orjson
from redis.exceptions import RedisError

from shared.adapters.redis.client import Client
from shared.ports import ResultCache

PREFIX = "millrace:result:"

log = logging.getLogger(__name__)


class RedisResultCache(ResultCache):
    """Keeps results as JSON, each for its time."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def get(self, key: str) -> Any | None:
        """The result that was kept, or None."""
        try:
            found = await self._redis.get(PREFIX + key)
        except (RedisError, OSError) as error:
            log.warning("the result cache cannot be read", extra={"reason": type(error).__name__})
            return None
        return None if found is None else orjson.loads(found)

    async def put(self, key: str, value: Any, ttl_seconds: int) -> None:
        """Keeps it for `ttl_seconds`, if it can."""
        try:
            await self._redis.set(PREFIX + key, orjson.dumps(value), ex=ttl_seconds)
        except (RedisError, OSError) as error:
            log.warning("the result cache cannot be written", extra={"reason": type(error).__name__})
