"""Circuits: one suite for every implementation; processes that share them; and a server that does not answer."""

import asyncio
import socket
import subprocess
import sys
import time

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.circuits import BreakerRule, RedisCircuits
from shared.errors import StoreUnavailable
from shared.ids import new_id
from shared.ports import CircuitState, Permit

RULE = BreakerRule(threshold=3, cooldown_seconds=0.2, longest_seconds=0.8, probe_seconds=5, memory_seconds=5)
HOST = "api.example.com:443"


@pytest.fixture
async def redis(redis_url):
    redis = Redis.from_url(redis_url)
    yield redis
    await redis.aclose()


@pytest.fixture
async def another(redis_url):
    """As another process would have."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def circuits(redis):
    return RedisCircuits(redis, RULE)


@pytest.fixture
def project():
    return new_id()


async def open_it(circuits, project):
    for _ in range(RULE.threshold):
        await circuits.failed(project, HOST, await circuits.ask(project, HOST))


async def probe(circuits, project):
    """Waits until the circuit is half-open, and takes the probe."""
    while (permit := await circuits.ask(project, HOST)).wait_seconds:
        await asyncio.sleep(permit.wait_seconds)
    return permit


async def test_it_opens_at_the_threshold_and_not_before(circuits, project):
    for count in range(1, RULE.threshold + 1):
        assert await circuits.ask(project, HOST) == Permit()
        await circuits.failed(project, HOST, Permit())
        [seen] = await circuits.list(project)
        assert (seen.destination, seen.failures) == (HOST, count)
        assert seen.state == (CircuitState.OPEN if count == RULE.threshold else CircuitState.CLOSED)
    assert 0 < (await circuits.ask(project, HOST)).wait_seconds <= RULE.cooldown_seconds
    assert seen.retry_at is not None


async def test_only_failures_in_a_row_count(circuits, project):
    for _ in range(RULE.threshold):
        for _ in range(RULE.threshold - 1):
            await circuits.failed(project, HOST, Permit())
        await circuits.succeeded(project, HOST, Permit())
    assert await circuits.ask(project, HOST) == Permit()
    assert await circuits.list(project) == []


async def test_of_many_that_ask_one_is_the_probe(circuits, project, another):
    await open_it(circuits, project)
    assert (await probe(circuits, project)).probe
    asked = [each.ask(project, HOST) for each in (circuits, RedisCircuits(another, RULE)) for _ in range(10)]
    permits = await asyncio.gather(*asked)
    assert all(permit.wait_seconds > 0 for permit in permits)
    [seen] = await circuits.list(project)
    assert seen.state == CircuitState.HALF_OPEN


async def test_a_probe_that_succeeds_closes_it(circuits, project):
    await open_it(circuits, project)
    await circuits.succeeded(project, HOST, await probe(circuits, project))
    assert await circuits.list(project) == []
    assert await circuits.ask(project, HOST) == Permit()


async def test_each_probe_that_fails_opens_it_for_longer_up_to_a_limit(circuits, project):
    await open_it(circuits, project)
    waits = []
    for _ in range(3):
        await circuits.failed(project, HOST, await probe(circuits, project))
        waits.append((await circuits.ask(project, HOST)).wait_seconds)
    assert [round(wait, 1) for wait in waits] == [0.4, 0.8, 0.8]


async def test_a_request_that_began_before_does_not_close_it(circuits, project):
    early = await circuits.ask(project, HOST)
    await open_it(circuits, project)
    await circuits.succeeded(project, HOST, early)
    assert (await circuits.ask(project, HOST)).wait_seconds > 0


async def test_a_probe_that_says_nothing_is_given_to_another(circuits, project):
    await open_it(circuits, project)
    await circuits.released(project, HOST, await probe(circuits, project))
    assert await circuits.ask(project, HOST) == Permit(probe=True)


async def test_projects_and_destinations_are_apart(circuits, project):
    await open_it(circuits, project)
    assert await circuits.ask(new_id(), HOST) == Permit()
    assert await circuits.ask(project, "api.example.com:80") == Permit()
    assert await circuits.list(new_id()) == []


async def test_a_reset_closes_it(circuits, project):
    await open_it(circuits, project)
    await circuits.reset(project, HOST)
    assert await circuits.ask(project, HOST) == Permit()


async def test_another_process_sees_it(circuits, project, redis_url):
    code = f"""
import asyncio
from redis.asyncio import Redis
from shared.adapters.redis.circuits import RedisCircuits
from shared.ports import Permit
async def main():
    async with Redis.from_url({redis_url!r}) as redis:
        for _ in range(8):
            await RedisCircuits(redis).failed({project!r}, {HOST!r}, Permit())
asyncio.run(main())
"""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=True, timeout=30)
    assert (await circuits.ask(project, HOST)).wait_seconds > 5


async def test_without_its_server_every_circuit_is_closed(project, caplog):
    redis = Redis(host="127.0.0.1", port=1, retry=None)
    circuits = RedisCircuits(redis, RULE)
    await open_it(circuits, project)
    assert await circuits.ask(project, HOST) == Permit()
    assert [record.message for record in caplog.records] == ["circuit breakers are off"]
    with pytest.raises(StoreUnavailable):
        await circuits.list(project)
    await redis.aclose()


async def test_a_server_that_says_nothing_keeps_nobody_waiting(project):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        redis = Redis(host="127.0.0.1", port=mute.getsockname()[1], retry=None)
        began = time.monotonic()
        assert await RedisCircuits(redis, RULE).ask(project, HOST) == Permit()
        assert time.monotonic() - began < 5
        await redis.aclose()
