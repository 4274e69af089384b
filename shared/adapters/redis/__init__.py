"""What may be lost, on Redis or Valkey."""

from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.live_feed import RedisLiveFeed
from shared.adapters.redis.result_cache import RedisResultCache

__all__ = ["RedisCircuits", "RedisLiveFeed", "RedisResultCache"]
