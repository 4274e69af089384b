"""InFlightLimit: too much at once is refused, and what was worked on makes room."""

import asyncio
from typing import Any

import httpx
import pytest

from shared.adapters.asgi.overload import InFlightLimit


class Slow:
    """Answers when it is opened."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.inside += 1
        await self.open.wait()
        if scope["path"] == "/crash":
            raise RuntimeError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def entered(slow: Slow, count: int) -> None:
    async with asyncio.timeout(5):
        while slow.inside < count:
            await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/", "/crash"])
async def test_one_too_many_is_refused_until_another_has_ended(path: str):
    slow = Slow()
    app = InFlightLimit(slow, body_limit=1_000, largest_body=1_000, requests=2)
    async with client(app) as http:
        waiting = [asyncio.ensure_future(http.get(path)) for _ in range(2)]
        await entered(slow, 2)

        refused = await http.get("/")
        slow.open.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        after = await http.get("/")

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["code"] == "server.overloaded"
    assert after.status_code == 200


async def test_bodies_share_a_budget_of_bytes():
    slow = Slow()
    app = InFlightLimit(slow, body_limit=1_000, largest_body=1_000, requests=100, body_bytes=1_500)

    async def undeclared() -> Any:
        yield b"x"

    async with client(app) as http:
        first = asyncio.ensure_future(http.post("/", content=b"x" * 900))
        await entered(slow, 1)

        large, unknown = await http.post("/", content=b"x" * 700), await http.post("/", content=undeclared())
        small = asyncio.ensure_future(http.post("/", content=b"x" * 500))
        await entered(slow, 2)
        slow.open.set()

        assert (large.status_code, unknown.status_code) == (503, 503)
        assert [(await each).status_code for each in (first, small)] == [200, 200]
