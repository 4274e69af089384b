"""ResultCache: one suite for every implementation; and a server that does not answer."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.result_cache import RedisResultCache
from shared.ids import new_id
from shared.ports import ResultCache


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis.from_url(redis_url)
    yield redis
    await redis.aclose()


@pytest.fixture
def cache(redis: Redis) -> ResultCache:
    return RedisResultCache(redis)


@pytest.mark.parametrize("value", [None, 0, "x", {"output": [1, None], "meta": {}}])
async def test_what_is_kept_is_found(cache, value):
    key = new_id()
    await cache.put(key, value, 60)
    assert await cache.get(key) == value


async def test_what_is_not_there_is_none(cache):
    assert await cache.get(new_id()) is None


async def test_it_is_kept_for_its_time(cache, redis):
    key = new_id()
    await cache.put(key, 1, 60)
    (found,) = [each async for each in redis.scan_iter(f"*{key}")]
    assert 55 <= await redis.ttl(found) <= 60


async def test_a_server_that_does_not_answer_is_an_empty_cache(caplog):
    redis = Redis(host="127.0.0.1", port=1, retry=None)
    cache = RedisResultCache(redis)
    await cache.put("key", 1, 60)
    assert await cache.get("key") is None
    assert {record.reason for record in caplog.records} == {"ConnectionError"}
    await redis.aclose()
