"""Serving an ASGI app on loopback from inside a running event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from shared.errors import ConfigInvalid

GRACE_SECONDS = 3
"""How long open connections (live progress streams) may finish before they are cut at shutdown."""


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the host runs several servers in one process and handles Ctrl-C itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; port 0 picks a free one. Raises ConfigInvalid where the port is taken.

    A `shared` port takes several sockets of this user, and the kernel spreads connections evenly over them. With one
    socket in several processes, the one that wakes first takes all that wait.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # `IPPROTO_TCP` said in full: asyncio sets TCP_NODELAY only then, and a keep-alive answer takes 40 ms without it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigInvalid(
            f"Cannot listen on {host}:{port} ({error.strerror}). "
            "Stop what listens there, or set another port with --port or MILLRACE_PORT."
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """`http://host:port` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[str]:
    """Serves `app` on `listener` for the length of the block; yields the base URL once requests are answered."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe the X-Forwarded-For of anyone on loopback
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"server {url_of(listener)}")
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server ended before it started")
            await asyncio.sleep(0.005)
        yield url_of(listener)
    finally:
        server.should_exit = True
        await task
        listener.close()
