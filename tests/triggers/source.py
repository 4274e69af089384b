"""A real HTTP source on loopback whose content changes, and that fails when it is told to."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

PHRASES = {200: "OK", 304: "Not Modified", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass
class Source:
    """`document` is what it answers; `fail` says how the next requests go wrong: a status, or `drop`, or nothing."""

    url: str = ""
    document: Any = field(default_factory=list)
    fail: Callable[[], int | str | None] = lambda: None
    validators: bool = False
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            self.requests.append((head[0], headers))
            failure = self.fail()
            if failure != "drop":
                writer.write(self._answer(failure, headers))
                await writer.drain()
        finally:
            writer.close()

    def _answer(self, failure: int | str | None, headers: dict[str, str]) -> bytes:
        body = json.dumps(self.document).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:12]}"'
        status = int(failure or 200)
        if not failure and self.validators and headers.get("if-none-match") == etag:
            status, body = 304, b""
        lines = [f"HTTP/1.1 {status} {PHRASES[status]}", "Content-Type: application/json", "Connection: close"]
        lines += [f"ETag: {etag}"] if self.validators and not failure else []
        lines += ["Retry-After: 7200"] if status == 429 else []
        lines += [f"Content-Length: {len(body)}"] if status != 304 else []
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@asynccontextmanager
async def source_server() -> AsyncIterator[Source]:
    source = Source()
    server = await asyncio.start_server(source.serve, "127.0.0.1", 0)
    source.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield source
    finally:
        server.close()
        await server.wait_closed()
