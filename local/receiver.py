"""A loopback HTTP server that stands in for the outside world: it answers every request with what it got.

`make run` starts it so that the example's HTTP calls have somewhere to go; the benchmark uses it as its echo.
"""

from collections import deque
from typing import Any

import orjson


class Receiver:
    """An ASGI app; `received` keeps what came in last, oldest first."""

    def __init__(self, *, keep: int = 1_000) -> None:
        self.received: deque[dict[str, Any]] = deque(maxlen=keep)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        seen = {"method": scope["method"], "path": scope["path"], "body": _parsed(body)}
        self.received.append(seen)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": orjson.dumps({"received": True, **seen})})


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _body(receive: Any) -> bytes | None:
    """The whole body; None where the caller went away before it had sent it."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += bytes(message.get("body", b""))
        if not message.get("more_body", False):
            return body


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
