"""LiveFeed on Redis or Valkey: one channel on which every committed move is told, one subscription a process.

Nothing depends on a message: a watcher looks at the history at least once a second anyway. So a feed that cannot reach
its server drops what it has, says so once, and tries again.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.ports import LiveFeed

CHANNEL = "millrace:moves"
WAKE_SECONDS = 1.0

_RETRY_SECONDS = 0.5
_SEPARATOR = " "

log = logging.getLogger(__name__)


class RedisLiveFeed(LiveFeed):
    """Publishes and watches moves of executions, for all processes on one server."""

    def __init__(self, url: str) -> None:
        """`url`: `redis://host:6379`, `rediss://…` or `unix:///path`. Nothing is connected yet."""
        self._redis = Redis.from_url(url, decode_responses=True)
        self._moved: dict[str, None] = {}
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._subscribed = asyncio.Event()
        self._publisher: asyncio.Task[None] | None = None
        self._subscriber: asyncio.Task[None] | None = None
        self._down = False

    async def publish(self, execution_ids: Sequence[str]) -> None:
        """Returns at once; what is published while a message is on its way goes into the next one."""
        self._moved.update(dict.fromkeys(execution_ids))
        if self._publisher is None and self._moved:
            self._publisher = asyncio.create_task(self._publish(), name="live feed: publish")

    async def watch(self, execution_id: str) -> AsyncIterator[None]:
        """Yields once when watching has begun, then after each move, and at least once a second."""
        moved = asyncio.Event()
        self._watchers[execution_id].add(moved)
        try:
            if self._subscriber is None:
                self._subscriber = asyncio.create_task(self._subscribe(), name="live feed: subscribe")
            await _wait(self._subscribed)
            yield
            while True:
                await _wait(moved)
                moved.clear()
                yield
        finally:
            self._watchers[execution_id].discard(moved)
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
                    await subscription.subscribe(CHANNEL)
                    async for message in subscription.listen():
                        self._take(message["type"], message["data"])
            except (RedisError, OSError) as error:
                self._lost(error)
            self._subscribed.clear()
            await asyncio.sleep(_RETRY_SECONDS)

    def _take(self, kind: str, data: str) -> None:
        if kind == "subscribe":
            self._subscribed.set()
            self._up()
        elif kind == "message":
            for execution_id in data.split(_SEPARATOR):
                for moved in self._watchers.get(execution_id, ()):
                    moved.set()

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
