"""The queue of publications, on a real server: what it promises about time is checked by the server's own clock."""

import asyncio
import socket

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.publish_queue import RedisPublishQueue
from shared.errors import PublishingBusy
from shared.ids import new_id

BUCKET, PER_SECOND = 5, 20.0
INTERVAL = 1 / PER_SECOND


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
def queue(redis):
    return RedisPublishQueue(redis, bucket=BUCKET, per_second=PER_SECOND)


@pytest.fixture
def slow(redis):
    """One publication a minute after the first three."""
    return RedisPublishQueue(redis, bucket=3, per_second=1 / 60)


@pytest.fixture
def operation():
    return new_id()


async def server_time(redis: Redis) -> float:
    seconds, microseconds = await redis.time()
    return seconds + microseconds / 1_000_000


async def slot(redis, queue, *operations: str) -> tuple[float, float]:
    """Between which times of the server the slot that is reserved here lies."""
    before = await server_time(redis)
    wait = await queue.reserve(operations, 3600)
    return before + wait, await server_time(redis) + wait


async def test_slots_of_concurrent_callers_never_exceed_the_bucket_in_any_window(redis_url, operation):
    clients = [Redis.from_url(redis_url) for _ in range(8)]  # as many processes would have
    queues = [RedisPublishQueue(each, bucket=BUCKET, per_second=PER_SECOND) for each in clients]

    callers = [(clients[n % 8], queues[n % 8]) for n in range(60)]
    found = await asyncio.gather(*(slot(redis, queue, operation) for redis, queue in callers))

    slots = sorted(found)
    for first, (earliest, _) in enumerate(slots):
        for last in range(first, len(slots)):
            calls, window = last - first + 1, slots[last][1] - earliest
            assert calls <= BUCKET + window * PER_SECOND + 1e-6
    assert slots[-1][0] - slots[0][1] == pytest.approx((60 - BUCKET) * INTERVAL, abs=1)  # and no slot is left out
    await asyncio.gather(*(each.aclose() for each in clients))


async def test_first_come_first_served(slow, operation):
    waits = [await slow.reserve([operation], 3600) for _ in range(6)]

    assert waits[:3] == [0, 0, 0]
    assert [round(each / 60) for each in waits[3:]] == [1, 2, 3]


async def test_a_refusal_says_when_and_reserves_nothing(slow, operation):
    for _ in range(3):
        await slow.reserve([operation], 0)

    for _ in range(5):
        with pytest.raises(PublishingBusy) as caught:
            await slow.reserve([operation], 50)
        assert 50 < caught.value.details["retry_after_seconds"] <= 60

    assert await slow.reserve([operation], 60) > 50  # the first free slot, not the sixth


async def test_a_publication_waits_for_the_scarcest_of_its_operations_and_takes_one_call_of_each(slow, operation):
    plenty = f"{operation}-plenty"
    for _ in range(3):
        await slow.reserve([operation], 0)

    wait = await slow.reserve([operation, plenty], 3600)

    assert 50 < wait <= 60
    # The call that is due in a minute counts from then on, so that no window around it holds too many.
    assert [round(await slow.reserve([plenty], 3600) / 60) for _ in range(4)] == [0, 1, 2, 3]


async def test_a_refusal_for_one_operation_takes_no_call_of_the_others(slow, operation):
    plenty = f"{operation}-plenty"
    for _ in range(3):
        await slow.reserve([operation], 0)

    with pytest.raises(PublishingBusy):
        await slow.reserve([plenty, operation], 0)

    assert [await slow.reserve([plenty], 0) for _ in range(3)] == [0, 0, 0]


async def test_what_aws_throttles_counts_as_empty_for_everybody(another, slow, operation):
    assert await slow.reserve([operation], 0) == 0

    await slow.refused(operation)

    wait = await RedisPublishQueue(another, bucket=3, per_second=1 / 60).reserve([operation], 3600)
    assert 50 < wait <= 60


async def test_it_says_what_a_machine_was_published_as(queue):
    machine = new_id()

    assert await queue.published(machine) is None
    await queue.remember(machine, "d1")
    await queue.remember(machine, "d2")

    assert await queue.published(machine) == "d2"


async def test_keys_go_once_their_buckets_are_full_again(redis, operation):
    queue = RedisPublishQueue(redis, bucket=2, per_second=50)

    await queue.reserve([operation], 0)

    (key,) = await redis.keys(f"*{operation}")
    assert 0 < await redis.pttl(key) <= 21


async def test_without_its_server_nobody_waits():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with Redis(port=port) as redis:
        queue = RedisPublishQueue(redis, bucket=1, per_second=0.01)

        assert [await queue.reserve(["a"], 0) for _ in range(3)] == [0, 0, 0]
        await queue.refused("a")
        assert await queue.published("m") is None
