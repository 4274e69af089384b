"""Rate limits on a real Valkey: many at once, over time, and without the server."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from shared.adapters.redis import rate_limits
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.ids import new_id
from shared.ports.limits import RateLimit, RateState
from tests.support.stores import Stores

CLIENTS = 64
Ask = Callable[[RedisRateLimits, RateLimit], Awaitable[RateState]]


async def hit(limits: RedisRateLimits, limit: RateLimit) -> RateState:
    (state,) = await limits.hit([limit])
    return state


async def spend(limits: RedisRateLimits, limit: RateLimit) -> RateState:
    return await limits.spend(limit)


def of(amount: int, seconds: int = 60) -> RateLimit:
    return RateLimit("test", new_id(), amount, seconds)


async def admitted(
    limits: list[RedisRateLimits], limit: RateLimit, ask: Ask, seconds: float
) -> list[tuple[float, float]]:
    """When 64 clients that never rest asked and were answered that they may: they were counted in between."""
    found: list[tuple[float, float]] = []
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        mine = limits[number % len(limits)]
        while time.monotonic() < end:
            asked = time.monotonic()
            if (await ask(mine, limit)).allowed:
                found.append((asked, time.monotonic()))
            else:
                await asyncio.sleep(0.05)

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return sorted(found)


def most_in_a_window(times: list[tuple[float, float]], window: float) -> int:
    """Of those that were counted within one window for sure."""
    return max(sum(began <= asked and answered < began + window for asked, answered in times) for began, _ in times)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of how exact the counting is: on a busy machine the server may take its time."""
    monkeypatch.setattr(rate_limits, "_PATIENCE_SECONDS", 30.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("ask", [hit, spend])
@pytest.mark.parametrize("processes", [1, 4])
async def test_a_burst_of_64_clients_gets_what_the_limit_says(redis_url: str, ask: Ask, processes: int):
    servers = [Redis.from_url(redis_url) for _ in range(processes)]
    limit = of(1_000)

    times = await admitted([RedisRateLimits(each) for each in servers], limit, ask, 2.0)

    for each in servers:
        await each.aclose()
    assert 0.95 * limit.amount <= len(times) <= limit.amount


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("ask", [hit, spend])
async def test_no_window_has_more_than_five_percent_too_many(stores: Stores, ask: Ask):
    """A window is counted as well as its requests are even; they are not where the machine does something else."""
    window = 4
    for _ in range(4):
        limit = of(1_000, window)
        times = await admitted([RedisRateLimits(stores.redis)], limit, ask, 2.5 * window)
        most = most_in_a_window(times, window)
        if most <= 1.05 * limit.amount:
            break

    assert most <= 1.05 * limit.amount
    assert len(times) >= 0.95 * 2 * limit.amount


async def test_what_is_left_and_when_to_come_back(stores: Stores):
    limit = of(3)

    states = [await hit(stores.limits, limit) for _ in range(4)]

    assert [(each.allowed, each.remaining) for each in states] == [(True, 2), (True, 1), (True, 0), (False, 0)]
    assert all(1 <= each.reset_seconds <= 60 for each in states)


async def test_no_limit_is_no_limit(stores: Stores):
    assert await stores.limits.hit([of(0)]) == []
    assert (await stores.limits.spend(of(0))).allowed


async def test_without_the_server_the_api_counts_by_itself_and_webhooks_pass(caplog: pytest.LogCaptureFixture):
    away = Redis.from_url("redis://127.0.0.1:1")
    limits, limit = RedisRateLimits(away), of(5)

    hits = await asyncio.gather(*(hit(limits, limit) for _ in range(CLIENTS)))
    spent = await asyncio.gather(*(spend(limits, limit) for _ in range(CLIENTS)))

    await away.aclose()
    assert sum(each.allowed for each in hits) == 5
    assert all(each.allowed for each in spent)
    assert "rate limits are counted by each process alone" in caplog.text


async def test_a_server_that_hangs_costs_half_a_second_once():
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    hanging = Redis.from_url(f"redis://127.0.0.1:{port}")
    limits, limit = RedisRateLimits(hanging), of(100)
    began = time.monotonic()

    assert all([(await hit(limits, limit)).allowed for _ in range(50)])

    assert time.monotonic() - began < 1.0
    server.close()
    await hanging.aclose(close_connection_pool=True)
