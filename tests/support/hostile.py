"""A real HTTP server on loopback that behaves badly, by path. It speaks bytes, so that nothing corrects it."""

import asyncio
import gzip
import json
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

MEBIBYTE = 1024 * 1024


@dataclass
class Seen:
    """A request as it arrived: header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hostile:
    """Where it listens, all requests in order, how many connections were opened, and how many bytes were sent."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    sent: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answers(reader, writer)
        self.closed.set()
        self.tasks.discard(task)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen = await _request(reader)
            self.seen.append(seen)
            answer = ANSWERS.get(seen.path.partition("?")[0], _not_found)
            if not await answer(self, seen, writer):
                return

    async def body(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        self.sent += len(data)
        await writer.drain()


@asynccontextmanager
async def hostile_server(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Hostile]:
    hostile = Hostile()
    server = await asyncio.start_server(hostile.serve, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    hostile.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        yield hostile
    finally:
        server.close()
        handlers = list(hostile.tasks)
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers)


async def _request(reader: asyncio.StreamReader) -> Seen:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, path, headers, body)


def _head(status: int, **headers: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", *lines, "", ""]).encode()


def _fixed(status: int, body: bytes, **headers: object) -> Callable[..., Awaitable[bool]]:
    async def answer(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await hostile.body(writer, _head(status, Content_Length=len(body), **headers))
        await hostile.body(writer, b"" if seen.method == "HEAD" else body)
        return True

    return answer


async def _echo(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    told = {"method": seen.method, "path": seen.path, "headers": seen.headers, "body": seen.body.decode()}
    return await _fixed(200, json.dumps(told).encode(), Content_Type="application/json")(hostile, seen, writer)


async def _silent(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    await asyncio.Event().wait()
    return False


async def _drip(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """A byte now and then: no single read ever times out."""
    writer.write(_head(200, Content_Length=1000))
    while True:
        await hostile.body(writer, b"x")
        await asyncio.sleep(0.01)


async def _endless(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    writer.write(_head(200, Transfer_Encoding="chunked", Content_Type="text/plain"))
    while True:
        await hostile.body(writer, b"1000\r\n" + b"x" * 0x1000 + b"\r\n")


async def _endless_redirect(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """A redirect with a body that never ends: who reads it before following is lost."""
    writer.write(_head(302, Location="/echo", Transfer_Encoding="chunked"))
    while True:
        await hostile.body(writer, b"1000\r\n" + b"x" * 0x1000 + b"\r\n")


async def _announced(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """Announces a body that is too large, and sends none of it."""
    writer.write(_head(200, Content_Length=10 * MEBIBYTE))
    await writer.drain()
    await asyncio.Event().wait()
    return False


async def _half_closed(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    await hostile.body(writer, _head(200, Content_Length=1000) + b"only this")
    return False


async def _dropped(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    return False


async def _no_http(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    await hostile.body(writer, b"220 smtp.example ESMTP\r\n\r\n")
    return False


async def _not_found(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    return await _fixed(404, b'{"error": "no such thing"}', Content_Type="application/json")(hostile, seen, writer)


async def _redirect_to(hostile: Hostile, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """`/to?<url>` redirects to the URL with 307, which keeps method and body."""
    return await _fixed(307, b"", Location=seen.path.partition("?")[2])(hostile, seen, writer)


BOMB = gzip.compress(b"\0" * (64 * MEBIBYTE))

ANSWERS: dict[str, Callable[[Hostile, Seen, asyncio.StreamWriter], Awaitable[bool]]] = {
    "/echo": _echo,
    "/silent": _silent,
    "/drip": _drip,
    "/endless": _endless,
    "/endless-redirect": _endless_redirect,
    "/announced": _announced,
    "/half-closed": _half_closed,
    "/dropped": _dropped,
    "/no-http": _no_http,
    "/to": _redirect_to,
    "/loop": _fixed(302, b"", Location="/loop"),
    "/bomb": _fixed(200, BOMB, Content_Encoding="gzip", Content_Type="text/plain"),
    "/gzip": _fixed(200, gzip.compress(b'{"packed": 1}'), Content_Encoding="gzip", Content_Type="application/json"),
    "/members": _fixed(200, gzip.compress(b"one ") + gzip.compress(b"two"), Content_Encoding="gzip"),
    "/deflate": _fixed(200, zlib.compress(b"flat"), Content_Encoding="deflate"),
    "/not-gzip": _fixed(200, b"plain", Content_Encoding="gzip"),
    "/brotli": _fixed(200, b"\x8b\x02\x80\xff\xfe", Content_Encoding="br"),
    "/wrong-type": _fixed(200, b"<html>", Content_Type="application/json"),
    "/problem": _fixed(200, b'{"a": 1}', Content_Type="application/problem+json; charset=utf-8"),
    "/latin": _fixed(200, "Grüße".encode("latin-1"), Content_Type="text/plain; charset=ISO-8859-1"),
    "/charset": _fixed(200, b"text", Content_Type="text/plain; charset=no-such"),
    "/png": _fixed(200, b"\x89PNG\r\n\x1a\n\xff\xfe", Content_Type="image/png"),
    "/binary-150k": _fixed(200, b"\xff" * 150_001, Content_Type="application/octet-stream"),
    "/exact": _fixed(200, b"x" * 1000, Content_Type="text/plain"),
    "/over": _fixed(200, b"x" * 1001, Content_Type="text/plain"),
    "/empty": _fixed(204, b""),
    "/cookie": _fixed(200, b"ok", Set_Cookie="session=s3cret; Path=/"),
    "/busy": _fixed(429, b"slow down", Retry_After="7"),
    "/refused": _fixed(422, b'{"message": "title is missing"}', Content_Type="application/json"),
    "/broken": _fixed(503, b"<h1>try later</h1>", Content_Type="text/html"),
}
