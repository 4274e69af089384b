"""The client of the cache that Lambdas have, of one server and of a cluster: what it does while the cache is away, and
after the Lambda stood still. What it does otherwise is tested with the adapters."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis, SSLConnection
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as Timeout

from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.client import connect
from shared.adapters.redis.ingest import RedisIngest
from shared.adapters.redis.publish_queue import RedisPublishQueue
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.adapters.redis.result_cache import RedisResultCache
from shared.errors import StoreUnavailable
from shared.executions.records import Accepted
from shared.ids import new_id
from shared.ports import Permit
from shared.ports.limits import RateLimit

pytestmark = pytest.mark.parametrize("clustered", [False, True])


class Failed(list[str]):
    def add(self) -> None:
        self.append("once")


@pytest.fixture
def failed() -> Failed:
    return Failed()


@pytest.fixture
async def away(clustered: bool, failed: Failed) -> AsyncIterator[Any]:
    client = connect("redis://127.0.0.1:1", clustered=clustered, unanswered=failed.add)
    yield client
    await client.aclose()


async def test_every_adapter_goes_on_while_the_cache_is_away_and_each_failure_is_told(away: Any, failed: Failed):
    circuits, limit, first = RedisCircuits(away), RateLimit("test", new_id(), 1, 60), Accepted(new_id())
    told: list[int] = []

    async def does(work: Any) -> Any:
        found = await work
        told.append(len(failed))
        return found

    assert await does(circuits.ask("project", "host")) == Permit()
    assert await does(RedisResultCache(away).put("key", 1, 60)) is None
    assert await does(RedisResultCache(away).get("key")) is None
    assert await does(RedisIngest(away).kept("path")) is None
    assert await does(RedisIngest(away).first("key", first, "digest", 60)) == (first, "digest")
    assert await does(RedisPublishQueue(away, bucket=1, per_second=0.01).reserve(["a"], 0)) == 0
    assert [each.allowed for each in await does(RedisRateLimits(away).hit([limit]))] == [True]
    with pytest.raises(StoreUnavailable):
        await circuits.list("project")
    assert told == sorted(set(told)), "each of them failed, and none went unnoticed"
    assert len(failed) > told[-1]


async def test_a_cache_that_says_nothing_is_given_up_in_time(clustered: bool, failed: Failed):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}"
        client: Any = connect(url, clustered=clustered, seconds=0.2, unanswered=failed.add)
        async with asyncio.timeout(5):
            with pytest.raises((NoConnection, Timeout)):
                await client.get("key")
        await client.aclose()
    assert len(failed) == 1


async def test_a_command_that_somebody_else_gives_up_is_told(clustered: bool, failed: Failed):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"redis://127.0.0.1:{mute.getsockname()[1]}"
        client: Any = connect(url, clustered=clustered, unanswered=failed.add)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.get("key")
        await client.aclose()
    assert len(failed) == 1


async def test_connections_that_were_closed_meanwhile_are_made_again(
    clustered: bool, failed: Failed, cluster_url: str, redis_url: str
):
    """As after a Lambda stood still; Powertools' metrics would tell of each that fails."""
    client: Any = connect(cluster_url if clustered else redis_url, clustered=clustered, unanswered=failed.add)
    for _ in range(20):
        await asyncio.gather(*(client.get(new_id()) for _ in range(4)))
        servers = [Redis(port=each.port) for each in client.get_nodes()] if clustered else [Redis.from_url(redis_url)]
        for server in servers:
            await server.client_kill_filter(_type="normal", skipme=True)
            await server.aclose()
    await client.aclose()
    assert failed == []


async def test_connections_are_encrypted_where_the_url_says_so(clustered: bool):
    client: Any = connect("rediss://cache.example:6379", clustered=clustered)

    (end,) = client.startup_nodes if clustered else [client.connection_pool]

    assert end.connection_class is SSLConnection
