"""A cluster of two servers, each with half of the slots, as ElastiCache Serverless shows itself to a client.

A command for the wrong one is answered with MOVED, one whose keys have two slots is refused by either.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from shared.adapters.local.embedded_valkey import EmbeddedValkey

SLOTS = 16_384
HALF = SLOTS // 2


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[str]:
    """The URL of the first server, once all slots are served."""
    async with AsyncExitStack() as stack:
        (first, port, _), (second, *address) = [await _server(stack, folder / name) for name in ("first", "second")]
        await first.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, HALF - 1)
        await second.execute_command("CLUSTER", "ADDSLOTSRANGE", HALF, SLOTS - 1)
        await second.execute_command("CLUSTER", "SET-CONFIG-EPOCH", 2)
        await first.execute_command("CLUSTER", "MEET", "127.0.0.1", *address)
        for each in (first, second):
            while b"cluster_state:ok" not in await each.execute_command("CLUSTER", "INFO"):
                await asyncio.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"


async def _server(stack: AsyncExitStack, folder: Path) -> tuple[Redis, int, int]:
    """A client of it, its port, and the one that servers talk to one another on."""
    port, bus = _free_port(), _free_port()
    among_nodes = {"cluster-enabled": "yes", "bind": "127.0.0.1", "port": str(port), "cluster-port": str(bus)}
    server = EmbeddedValkey(folder, among_nodes)
    client = Redis.from_url(await server.start())
    stack.push_async_callback(server.stop)
    stack.push_async_callback(client.aclose)
    return client, port, bus


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
