"""LiveFeed: one suite for every implementation; and what this one does while its server is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from shared.adapters.local.embedded_valkey import EmbeddedValkey
from shared.adapters.redis.live_feed import WAKE_SECONDS, RedisLiveFeed
from shared.ids import new_id
from shared.ports import AgentText, LiveFeed
from tests.support.stores import Stores

SOON = WAKE_SECONDS / 2
"""A wake-up this early came from a message, not from the clock."""


@pytest.fixture
async def feed(redis_url: str) -> AsyncIterator[LiveFeed]:
    feed = RedisLiveFeed(redis_url)
    yield feed
    await feed.close()


@pytest.fixture
async def elsewhere(redis_url: str) -> AsyncIterator[LiveFeed]:
    """The feed of another process."""
    feed = RedisLiveFeed(redis_url)
    yield feed
    await feed.close()


async def woken_within(watch: AsyncIterator[Sequence[AgentText]], seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await anext(watch)
    return loop.time() - began < seconds


async def test_watching_begins_at_once(feed: LiveFeed):
    assert await woken_within(feed.watch(new_id()), SOON)


async def test_a_move_wakes_its_watchers_here_and_elsewhere(feed: LiveFeed, elsewhere: LiveFeed):
    moved = new_id()
    watches = [feed.watch(moved), feed.watch(moved), elsewhere.watch(moved)]
    for watch in watches:
        await anext(watch)

    await feed.publish([new_id(), moved])

    assert await asyncio.gather(*(woken_within(watch, SOON) for watch in watches)) == [True] * 3


async def test_a_move_before_the_next_look_is_not_missed(feed: LiveFeed):
    moved = new_id()
    watch = feed.watch(moved)
    await anext(watch)
    await feed.publish([moved])
    other = feed.watch(moved)
    await anext(other)
    await anext(other)  # the message has arrived by now

    assert await woken_within(watch, SOON)


async def test_others_are_left_alone_but_look_once_a_second(feed: LiveFeed):
    watch = feed.watch(new_id())
    await anext(watch)

    await feed.publish([new_id()])

    assert not await woken_within(watch, SOON)


async def test_what_agents_say_arrives_in_order_and_whole(feed: LiveFeed, elsewhere: LiveFeed):
    speaking, other = new_id(), new_id()
    said = [AgentText("help", [0, 2], 1, 3 * offset, f"{offset:03}") for offset in range(200)]
    watches = [feed.watch(speaking), elsewhere.watch(speaking)]
    for watch in watches:
        assert await anext(watch) == ()
    for each in said:
        await feed.say(speaking, each)
        await feed.say(other, each)

    for watch in watches:
        heard: list[AgentText] = []
        while len(heard) < len(said):
            heard += await anext(watch)
        assert heard == said


async def test_a_burst_of_moves_arrives(feed: LiveFeed, elsewhere: LiveFeed):
    ids = [new_id() for _ in range(2000)]
    last = elsewhere.watch(ids[-1])
    await anext(last)

    for start in range(0, len(ids), 100):
        await feed.publish(ids[start : start + 100])

    assert await woken_within(last, SOON)


async def test_the_journal_tells_the_feed(stores: Stores):
    execution_id = new_id()
    watch = stores.feed.watch(execution_id)
    await anext(watch)

    await stores.journal.write(execution_id, new_id(), [])

    assert await woken_within(watch, SOON)


async def test_without_a_server_watchers_look_once_a_second_and_one_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    server = EmbeddedValkey(tmp_path)
    feed = RedisLiveFeed(await server.start())
    moved = new_id()
    try:
        watch = feed.watch(moved)
        await anext(watch)
        await server.stop()

        with caplog.at_level(logging.INFO, "shared.adapters.redis"):
            for _ in range(2):
                await feed.publish([moved])
                await anext(watch)
            assert [record.levelname for record in caplog.records] == ["WARNING"]
            await server.start()
            while not await woken_within(watch, SOON):
                await feed.publish([moved])
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    finally:
        await feed.close()
        await server.stop()
