"""What the workflows of the suite call, on loopback: a service that fails as its path says, and a scripted model.

Nothing is kept but how often a call of a node was answered, so that both sides get the same answers at the same time.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.openai_server import calls, filled_in, said


@dataclass
class Services:
    """`addresses` are `host:port` of one service: a circuit breaker goes by them, so that every workflow has its
    own."""

    addresses: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    """By idempotency key: the same in every attempt at a node, and another one in every execution."""

    async def echo(self, request: web.Request) -> web.Response:
        """What came, as `body`, with the path's last part."""
        return web.json_response({"body": await _body(request), "path": request.match_info["path"]})

    async def flaky(self, request: web.Request) -> web.Response:
        """`/flaky/<failures>/<status>`: so many attempts fail."""
        key = request.headers.get("Idempotency-Key", "none")
        self.answered[key] += 1
        if self.answered[key] <= int(request.match_info["failures"]):
            return web.json_response({"no": "not yet"}, status=int(request.match_info["status"]))
        return web.json_response({"attempts": self.answered[key], "body": await _body(request)})

    async def slow(self, request: web.Request) -> web.Response:
        """`/slow/<seconds>`."""
        await asyncio.sleep(float(request.match_info["seconds"]))
        return web.json_response({"slept": True})

    async def large(self, request: web.Request) -> web.Response:
        """`/large/<characters>`."""
        return web.json_response({"text": "x" * int(request.match_info["characters"])})


async def _dated(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Date"] = "Thu, 01 Jan 2026 00:00:00 GMT"  # headers are part of outputs, and are compared


async def _body(request: web.Request) -> Any:
    text = await request.text()
    return json.loads(text) if request.content_type == "application/json" else text


@asynccontextmanager
async def serving(addresses: int) -> AsyncIterator[Services]:
    """The service at so many addresses."""
    services = Services()
    app = web.Application()
    app.on_response_prepare.append(_dated)
    app.router.add_route("*", "/flaky/{failures}/{status}", services.flaky)
    app.router.add_route("*", "/slow/{seconds}", services.slow)
    app.router.add_route("*", "/large/{characters}", services.large)
    app.router.add_route("*", "/{path:.*}", services.echo)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        for _ in range(addresses):
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        services.addresses += [f"127.0.0.1:{address[1]}" for address in runner.addresses]
        yield services
    finally:
        await runner.cleanup()


def scripted(request: dict[str, Any]) -> web.Response:
    """The answer of a model to a prompt that says it: JSON, a list with one item a turn.

    An item is text, or `{"call": {tool: arguments}}`, or `{"fill": output}` for an agent with an output schema.
    """
    messages = request["messages"]
    prompt = next(each["content"] for each in messages if each["role"] == "user")
    turns = json.loads(prompt if isinstance(prompt, str) else prompt[0]["text"])
    turn = turns[sum(each["role"] == "assistant" for each in messages)]
    if isinstance(turn, str):
        return said(turn)
    return filled_in(turn["fill"]) if "fill" in turn else calls(*turn["call"].items())
