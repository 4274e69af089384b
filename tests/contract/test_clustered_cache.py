"""What ElastiCache Serverless asks of adapters: it is a cluster, in which one command's keys have one slot.

What keeps more than one key, on a Valkey with cluster mode on, which refuses anything else as ElastiCache
does. Source: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html
"""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.adapters.local.embedded_valkey import EmbeddedValkey
from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.ingest import RedisIngest
from shared.adapters.redis.live_feed import RedisLiveFeed
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.executions.records import Accepted
from shared.ids import new_id
from shared.ports.limits import RateLimit
from tests.contract.test_circuits import (  # noqa: F401 - collected here, on another server
    RULE,
    project,
    test_a_reset_closes_it,
    test_it_opens_at_the_threshold_and_not_before,
    test_projects_and_destinations_are_apart,
)

SLOTS = 16_384


@pytest.fixture(scope="module")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a cluster of one, which has every slot."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        among_nodes = {"bind": "127.0.0.1", "cluster-port": str(free.getsockname()[1])}
    server = EmbeddedValkey(tmp_path_factory.mktemp("cluster"), {"cluster-enabled": "yes", **among_nodes})
    url = await server.start()
    client = Redis.from_url(url)
    await client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
    while b"cluster_state:ok" not in await client.execute_command("CLUSTER", "INFO"):
        await asyncio.sleep(0.05)
    try:
        yield url
    finally:
        await client.aclose()
        await server.stop()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def circuits(redis: Redis) -> RedisCircuits:
    return RedisCircuits(redis, RULE)


async def test_keys_of_two_slots_are_refused(redis: Redis):
    with pytest.raises(ResponseError, match="same slot"):
        await redis.mget("a", "b")


async def test_rate_limits_are_counted_there(redis: Redis, caplog: pytest.LogCaptureFixture):
    limits, limit = RedisRateLimits(redis), RateLimit("test", new_id(), 3, 60)

    states = [(await limits.hit([limit]))[0].allowed for _ in range(4)]

    assert states == [True, True, True, False]
    assert caplog.text == "", "none was counted by this process alone"


async def test_the_ingest_keeps_its_first_answers_there(redis: Redis):
    ingest, key = RedisIngest(redis), new_id()
    first, second = Accepted(new_id()), Accepted(new_id())

    answers = [await ingest.first(key, each, "digest", 60) for each in (first, second)]

    assert answers == [(first, "digest"), (Accepted(first.execution_id, duplicate=True), "digest")]


async def test_moves_are_told_there(redis_url: str):
    feed, execution_id = RedisLiveFeed(redis_url), new_id()
    watching = feed.watch(execution_id)
    await anext(watching)

    await feed.publish([execution_id])

    assert await anext(watching) == []
    await watching.aclose()
    await feed.close()
