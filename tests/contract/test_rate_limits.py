"""RateLimits: never more than the limit within any period."""

import asyncio

from redis.asyncio import Redis

from shared.adapters.redis import RedisRateLimits
from shared.ids import new_id


async def test_of_many_at_once_so_many_are_let_through(redis_url: str):
    async with Redis.from_url(redis_url) as redis:
        limits, name = RedisRateLimits(redis), new_id()

        waits = await asyncio.gather(*(limits.take(name, 5, 60) for _ in range(20)))

        assert sum(each == 0 for each in waits) == 5
        assert all(59 < each <= 60 for each in waits if each)
        assert await limits.take(new_id(), 5, 60) == 0


async def test_there_is_room_again_when_it_said_so(redis_url: str):
    async with Redis.from_url(redis_url) as redis:
        limits, name = RedisRateLimits(redis), new_id()
        assert await limits.take(name, 1, 1) == 0

        wait = await limits.take(name, 1, 1)
        assert 0 < wait <= 1
        await asyncio.sleep(wait + 0.002)  # what is under test is the server's clock

        assert await limits.take(name, 1, 1) == 0
