"""LiveFeed on Redis or Valkey: a channel on which every committed move is told, and one for what agents say; one
subscription a process.

Nothing depends on a message: a watcher looks at the history at least once a second anyway. So a feed that cannot reach
its server drops what it has, says so once, and tries again.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.ports import AgentText, LiveFeed

CHANNEL = "millrace:moves"
TEXT_CHANNEL = "millrace:text"
WAKE_SECONDS = 1.0

_RETRY_SECONDS = 0.5
_SEPARATOR = " "
_MOST_SAID = 1_000
"""Pieces that wait for a watcher who does not look; further ones are lost."""

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Watch:
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[AgentText] = field(default_factory=list)


class RedisLiveFeed(LiveFeed):
    """Publishes and watches moves of executions, for all processes on one server."""

    def __init__(self, url: str) -> None:
        """`url`: `redis://host:6379`, `rediss://…` or `unix:///path`. Nothing is connected yet."""
        self._redis = Redis.from_url(url, decode_responses=True)
        self._moved: dict[str, None] = {}
        self._watchers: defaultdict[str, set[_Watch]] = defaultdict(set)
        self._subscribed = asyncio.Event()
        self._publisher: asyncio.Task[None] | None = None
        self._subscriber: asyncio.Task[None] | None = None
        self._down = False

    async def publish(self, execution_ids: Sequence[str]) -> None:
        """Returns at once; what is published while a message is on its way goes into the next one."""
        self._moved.update(dict.fromkeys(execution_ids))
        if self._publisher is None and self._moved:
            self._publisher = asyncio.create_task(self._publish(), name="live feed: publish")

    async def say(self, execution_id: str, said: AgentText) -> None:
        """Nobody waits long for it: a server that does not answer loses the piece."""
        message = orjson.dumps({"execution_id": execution_id, **asdict(said)})
        try:
            async with asyncio.timeout(WAKE_SECONDS):
                await self._redis.publish(TEXT_CHANNEL, message)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)

    async def watch(self, execution_id: str) -> AsyncIterator[Sequence[AgentText]]:
        """Yields once when watching has begun, then after each move, and at least once a second: what agents said."""
        watch = _Watch()
        self._watchers[execution_id].add(watch)
        try:
            if self._subscriber is None:
                self._subscriber = asyncio.create_task(self._subscribe(), name="live feed: subscribe")
            await _wait(self._subscribed)
            yield ()
            while True:
                await _wait(watch.moved)
                watch.moved.clear()
                said, watch.said = watch.said, []
                yield said
        finally:
            self._watchers[execution_id].discard(watch)
            if not self._watchers[execution_id]:
                del self._watchers[execution_id]

    async def close(self) -> None:
        """Ends publishing and watching, and closes the connections."""
        for task in (self._publisher, self._subscriber):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._redis.aclose()

    async def _publish(self) -> None:
        try:
            while self._moved:
                ids, self._moved = list(self._moved), {}
                await self._redis.publish(CHANNEL, _SEPARATOR.join(ids))
                self._up()
        except (RedisError, OSError) as error:
            self._moved.clear()
            self._lost(error)
        finally:
            self._publisher = None

    async def _subscribe(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(CHANNEL, TEXT_CHANNEL)
                    async for message in subscription.listen():
                        self._take(message)
            except (RedisError, OSError) as error:
                self._lost(error)
            self._subscribed.clear()
            await asyncio.sleep(_RETRY_SECONDS)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self._subscribed.set()
            self._up()
        elif message["channel"] == TEXT_CHANNEL:
            self._take_text(orjson.loads(message["data"]))
        elif message["type"] == "message":
            for execution_id in message["data"].split(_SEPARATOR):
                for watch in self._watchers.get(execution_id, ()):
                    watch.moved.set()

    def _take_text(self, data: dict[str, Any]) -> None:
        for watch in self._watchers.get(data.pop("execution_id"), ()):
            if len(watch.said) < _MOST_SAID:
                watch.said.append(AgentText(**data))
            watch.moved.set()

    def _lost(self, error: Exception) -> None:
        if not self._down:
            self._down = True
            log.warning("the live feed is down; progress shows once a second", extra={"reason": type(error).__name__})

    def _up(self) -> None:
        if self._down:
            self._down = False
            log.info("the live feed is back")


async def _wait(event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAKE_SECONDS):
            await event.wait()
