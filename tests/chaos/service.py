"""The service that the workflows call: it keeps when each call came, and is slow and flaky on purpose."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import orjson

from local.receiver import Receiver

Place = tuple[int, str]
"""The number of an execution, and the place of a call in it."""

FAILURES = 2
"""How often a flaky place fails at first."""


class Service(Receiver):
    """An ASGI app; `calls` holds when each call of a place came."""

    def __init__(self, seed: int) -> None:
        super().__init__(keep=1)
        self.calls: dict[Place, list[datetime]] = defaultdict(list)
        self._random = random.Random(seed)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        told = orjson.loads(body)
        calls = self.calls[told["n"], told["place"]]
        calls.append(datetime.now(UTC))
        await asyncio.sleep(self._random.expovariate(1 / 0.03))
        status = 503 if told["place"] == "flaky" and len(calls) <= FAILURES else 200
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps({"n": told["n"]})})
