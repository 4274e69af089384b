"""What may be lost, on Redis or Valkey."""

from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.ingest import RedisIngest
from shared.adapters.redis.live_feed import RedisLiveFeed
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.adapters.redis.result_cache import RedisResultCache

__all__ = ["RedisCircuits", "RedisIngest", "RedisLiveFeed", "RedisRateLimits", "RedisResultCache"]
