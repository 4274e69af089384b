"""What ElastiCache Serverless asks of adapters and of their client: it is a cluster, in which a command's keys have one
slot, and each slot one server.

The suites of all that Lambdas keep in the cache, over two servers in cluster mode, which refuse anything else as
ElastiCache does. Source: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import RedisCluster
from redis.exceptions import MovedError, ResponseError

from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.client import Client, connect
from shared.adapters.redis.ingest import RedisIngest
from shared.adapters.redis.publish_queue import RedisPublishQueue
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.adapters.redis.result_cache import RedisResultCache
from shared.executions.records import Accepted
from shared.ids import new_id
from shared.ports import Permit
from shared.ports.limits import RateLimit
from tests.contract.test_circuits import (  # noqa: F401 - collected here, on another server
    circuits,
    project,
    test_a_probe_that_says_nothing_is_given_to_another,
    test_a_probe_that_succeeds_closes_it,
    test_a_request_that_began_before_does_not_close_it,
    test_a_reset_closes_it,
    test_each_probe_that_fails_opens_it_for_longer_up_to_a_limit,
    test_it_opens_at_the_threshold_and_not_before,
    test_of_many_that_ask_one_is_the_probe,
    test_only_failures_in_a_row_count,
    test_projects_and_destinations_are_apart,
)
from tests.contract.test_publish_queue import (  # noqa: F401 - likewise
    operation,
    queue,
    slow,
    test_a_publication_waits_for_the_scarcest_of_its_operations_and_takes_one_call_of_each,
    test_a_refusal_for_one_operation_takes_no_call_of_the_others,
    test_a_refusal_says_when_and_reserves_nothing,
    test_first_come_first_served,
    test_it_says_what_a_machine_was_published_as,
    test_what_aws_throttles_counts_as_empty_for_everybody,
)
from tests.contract.test_result_cache import (  # noqa: F401 - likewise
    cache,
    test_it_is_kept_for_its_time,
    test_what_is_kept_is_found,
    test_what_is_not_there_is_none,
)
from tests.support.valkey_cluster import SLOTS

MANY = 20
"""Keys of so many names lie on both servers, but for once in half a million times."""


@pytest.fixture
async def clients(cluster_url: str, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Callable[[], RedisCluster]]:
    """As processes would have; none of their commands may fail, of which adapters would make nothing but a warning."""
    opened: list[Any] = []
    failed: list[None] = []

    def client() -> Any:
        opened.append(connect(cluster_url, clustered=True, unanswered=lambda: failed.append(None)))
        return opened[-1]

    yield client
    for each in opened:
        await each.aclose()
    assert failed == []
    assert caplog.text == ""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the servers may take their time; what adapters do without them is tested elsewhere."""
    for name in ("circuits._ANSWER_SECONDS", "publish_queue._ANSWER_SECONDS", "rate_limits._PATIENCE_SECONDS"):
        monkeypatch.setattr(f"shared.adapters.redis.{name}", 30.0)


@pytest.fixture
def redis(clients: Callable[[], RedisCluster]) -> RedisCluster:
    return clients()


@pytest.fixture
def another(clients: Callable[[], RedisCluster]) -> RedisCluster:
    return clients()


async def test_a_client_of_one_server_is_sent_to_the_other(cluster_url: str):
    failed: list[None] = []
    client: Any = connect(cluster_url, unanswered=lambda: failed.append(None))

    found = await asyncio.gather(*(client.get(new_id()) for _ in range(MANY)), return_exceptions=True)

    await client.aclose()
    assert {type(each) for each in found} == {type(None), MovedError}
    assert len(failed) == sum(isinstance(each, MovedError) for each in found)


async def test_keys_of_two_slots_are_refused(cluster_url: str):
    client: Any = connect(cluster_url, clustered=True)

    with pytest.raises(ResponseError, match="same slot"):
        await client.execute_command("MGET", "a", "b")
    await client.aclose()


async def test_a_slot_that_moved_is_found(redis: RedisCluster, another: RedisCluster):
    """As when ElastiCache adds servers; what was kept may be lost."""
    key = new_id()
    await redis.set(key, "before")
    await redis.delete(key)
    slot, now_at = redis.keyslot(key), redis.get_node_from_key(key)
    (other,) = [each for each in redis.get_nodes() if each != now_at]
    other_id = await other.execute_command("CLUSTER MYID")

    for node in (other, now_at):
        await node.execute_command("CLUSTER SETSLOT", slot, "NODE", other_id)
    await another.set(key, "after")

    assert await redis.get(key) == b"after"
    assert 0 <= slot < SLOTS


async def test_rate_limits_are_counted_there_by_all(redis: RedisCluster, another: RedisCluster):
    limits = [RedisRateLimits(each) for each in (redis, another)]
    hit, other, spent = (RateLimit("test", new_id(), 10, 60) for _ in range(3))

    states = [each for n in range(15) for each in await limits[n % 2].hit([hit, other])]
    passed = [await limits[n % 2].spend(spent) for n in range(15)]

    for limit, found in ((hit, states), (other, states), (spent, passed)):
        assert sum(each.allowed for each in found if each.limit == limit) == 10


async def test_the_ingest_keeps_targets_and_its_first_answers_there(redis: RedisCluster, another: RedisCluster):
    for _ in range(MANY):
        ingest, other, key = RedisIngest(redis), RedisIngest(another), new_id()
        first, second = Accepted(new_id()), Accepted(new_id())

        answers = [await each.first(key, given, "digest", 60) for each, given in ((ingest, first), (other, second))]
        await ingest.keep(key, b"kept", 60)

        assert answers == [(first, "digest"), (Accepted(first.execution_id, duplicate=True), "digest")]
        assert await other.kept(key) == b"kept"
        await other.keep(key, None, 60)
        await other.forget_first(key)
        assert await ingest.kept(key) is None
        assert await ingest.first(key, second, "digest", 60) == (second, "digest")


async def use_all(client: Client) -> None:
    """Every command of every adapter."""
    project_id, name = new_id(), new_id()
    breakers, ingest, results = RedisCircuits(client), RedisIngest(client), RedisResultCache(client)
    await breakers.failed(project_id, name, await breakers.ask(project_id, name))
    await breakers.released(project_id, name, Permit(probe=True))
    await breakers.list(project_id)
    await breakers.reset(project_id, name)
    publications = RedisPublishQueue(client, bucket=9, per_second=9)
    await publications.reserve([name, project_id], 0)
    await publications.refused(name)
    await publications.remember(name, "digest")
    await publications.published(name)
    await results.put(name, 1, 60)
    await results.get(name)
    await RedisRateLimits(client).hit([RateLimit("test", name, 9, 60)])
    await ingest.keep(name, b"1", 60)
    await ingest.kept(name)
    await ingest.first(name, Accepted(name), "digest", 60)
    await ingest.forget_first(name)
    assert await client.ping()


async def test_no_adapter_makes_the_client_ask_for_the_table_of_all_commands(redis: RedisCluster):
    """A cold start would take its 80 ms of a whole vCPU for it."""
    await redis.config_resetstat(target_nodes=RedisCluster.ALL_NODES)

    await use_all(redis)

    asked = await redis.info("commandstats", target_nodes=RedisCluster.ALL_NODES)
    names = {name for each in asked.values() for name in each}
    assert "cmdstat_evalsha" in names
    assert not {name for name in names if name.startswith("cmdstat_command")}


async def test_a_command_that_is_not_known_works_nevertheless(redis: RedisCluster):
    key = new_id()

    await redis.rpush(key, "a", "b")

    assert await redis.lrange(key, 0, -1) == [b"a", b"b"]
