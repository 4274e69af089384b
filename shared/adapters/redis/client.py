"""The client of Redis or Valkey: of one server, or of a cluster, which is what ElastiCache Serverless is.

What our adapters ask of a cluster: commands and scripts whose keys have one slot, TIME and PING. No transaction, no
pipeline, no subscription and no scan, which work otherwise there or not at all.
Source: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from redis._parsers import AsyncCommandsParser
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, SlotNotCoveredError
from redis.exceptions import TimeoutError as Timeout

Client = Redis | RedisCluster
_ONE_KEY = ("get", "set", "del", "hdel", "hgetall", "smembers")


def connect(
    url: str, *, clustered: bool = False, seconds: float | None = None, unanswered: Callable[[], object] = lambda: None
) -> Client:
    """Connected to nothing yet.

    `clustered`: `url` is that of a cluster. `seconds`: how long connecting and each answer may take; by default as long
    as the library waits. `unanswered` is called for each command that fails, or is given up: adapters do without the
    answer, so that nobody else would notice.
    """
    options: dict[str, Any] = {"driver_info": None}  # which it would tell the server of each connection, one by one
    if seconds is not None:
        options |= {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    # The endpoint of a cluster stays what it is, whatever nodes are behind it: that is where to look for them again.
    kind, more = (_Cluster, {"dynamic_startup_nodes": False}) if clustered else (_Server, {})
    client: Any = kind.from_url(url, **options, **more)
    client.unanswered = unanswered
    return cast("Client", client)


class _Server(Redis):
    unanswered: Callable[[], object]

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        ask: Any = partial(super().execute_command, *args, **options)
        return await _told(ask, self.unanswered)


class _Cluster(RedisCluster):
    """Says that it cannot be reached as a server does: RedisClusterException is no RedisError.

    A Lambda that stood still for a while finds its connections closed, also the one that it asked for the nodes with.
    """

    unanswered: Callable[[], object]

    @classmethod
    def from_url(cls, url: str, **kwargs: Any) -> "_Cluster":
        found = super().from_url(url, **kwargs)
        assert isinstance(found, cls)  # noqa: S101 - for the type checker
        found.commands_parser = _KnownCommands()
        return found

    async def initialize(self, *args: Any, **options: Any) -> "_Cluster":
        try:
            try:
                await super().initialize(*args, **options)
            except RedisClusterException as error:  # its connections are closed now, also here
                if isinstance(error.__cause__, Timeout):
                    raise
                await super().initialize(*args, **options)
        except RedisClusterException as error:
            raise NoConnection(str(error)) from error
        return self

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        return await _told(partial(self._covered, *args, **kwargs), self.unanswered)

    async def _covered(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().execute_command(*args, **kwargs)
        except SlotNotCoveredError as error:
            raise NoConnection(str(error)) from error


class _KnownCommands(AsyncCommandsParser):
    """Where the keys of our commands are. The library asks the server for a table of all commands each time that it
    connects, and takes 80 ms of a whole vCPU to read it, of which a Lambda of 512 MB has a third. A command that is not
    known here makes it ask."""

    async def initialize(self, node: Any = None) -> None:
        if node is None:
            await super().initialize()
            return
        self.node = node
        place = {"flags": [], "first_key_pos": 1, "last_key_pos": 1, "step_count": 1}
        self.commands = {name: {"name": name, **place} for name in _ONE_KEY}


async def _told(ask: Callable[[], Awaitable[Any]], unanswered: Callable[[], object]) -> Any:
    try:
        return await _twice(ask)
    except NoScriptError:  # it is sent then
        raise
    except (RedisError, OSError, asyncio.CancelledError):
        unanswered()
        raise


async def _twice(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer, where need be of a second try: a connection that was closed while a Lambda stood still, or by another
    command that failed, gives redis-py 8.1 a None that it does not expect.

    Source: https://github.com/redis/redis-py/issues/4287
    """
    try:
        return await ask()
    except (AttributeError, TypeError) as error:
        if "'NoneType'" not in str(error):
            raise
    try:
        return await ask()
    except (AttributeError, TypeError) as error:
        raise NoConnection(f"The connection was lost twice: {error}") from error
