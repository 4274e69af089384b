"""One request and its answer, within limits, with every failure as a NodeError. Works on a client of `guarded_client`.

Terms:
  answer   status, headers and the whole body, which is never larger than the caller allows, compressed or not
  hop      one request of a chain of redirects; each is checked by the egress policy like the first
"""

import asyncio
import codecs
import re
import time
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import orjson

from shared.errors import (
    DestinationRateLimited,
    DestinationRefused,
    DestinationServerError,
    DestinationTimeout,
    DestinationUnreachable,
    NodeConfigInvalid,
    ResponseTooLarge,
)

ACCEPT_ENCODING = "gzip, deflate"
"""What can be decoded a bounded piece at a time with the standard library."""

MAX_REDIRECTS = 5
TOTAL_SECONDS = 60.0
_EXCERPT_CHARACTERS = 300
_CHARSET = re.compile(r"""charset=["']?([\w.:-]+)""", re.IGNORECASE)
_CROSS_ORIGIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "content-length", "content-type", "host", "user-agent", "idempotency-key"}
)
_CREDENTIAL_HEADERS = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one exchange, redirects included: bytes of the decoded body, seconds, redirects."""

    body_bytes: int
    total_seconds: float = TOTAL_SECONDS
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """`what` names the request in messages: method and URL without its query, which may hold a key."""

    what: str
    host: str
    status: int
    headers: dict[str, str]
    """Lower-case names; repeated ones joined by commas; without those that carry credentials, such as Set-Cookie."""
    body: bytes
    duration_ms: float

    def content(self) -> tuple[Any, str]:
        """The body as JSON value and how it got there: `json`, `text`, `base64` (binary), or `none` where it is empty.

        JSON only where the content type says so and the body keeps the promise.
        """
        if not self.body:
            return None, "none"
        media_type = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type == "application/json" or media_type.endswith("+json"):
            try:
                return orjson.loads(self.body), "json"
            except orjson.JSONDecodeError:
                pass
        try:
            return self.body.decode(self._charset()), "text"
        except (UnicodeDecodeError, LookupError):
            return b64encode(self.body).decode("ascii"), "base64"

    def as_output(self, limit: int) -> dict[str, Any]:
        """`{status, headers, body}`, with `body_encoding: base64` where the body is binary.

        Raises:
            ResponseTooLarge: the body is binary, and as base64 larger than `limit` bytes.
        """
        body, kind = self.content()
        output: dict[str, Any] = {"status": self.status, "headers": self.headers, "body": body}
        if kind == "base64":
            if len(body) > limit:
                raise ResponseTooLarge(
                    f"The binary answer to {self.what} is {len(body)} bytes as base64; allowed are {limit}.",
                    limit=limit,
                )
            output["body_encoding"] = "base64"
        return output

    def raise_for_status(self) -> None:
        """Raises DestinationRateLimited for 429, DestinationServerError for 5xx, DestinationRefused for other 4xx."""
        if self.status < HTTPStatus.BAD_REQUEST:
            return
        details: dict[str, Any] = {"status": self.status, "host": self.host}
        message = f"{self.what} answered {self.status}{_phrase(self.status)}{self._excerpt()}"
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise DestinationRateLimited(message, **details, retry_after=self.headers.get("retry-after"))
        if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise DestinationServerError(message, **details)
        raise DestinationRefused(message, **details)

    def _charset(self) -> str:
        """What the content type names, where Python knows it; else UTF-8."""
        named = _CHARSET.search(self.headers.get("content-type", ""))
        try:
            return codecs.lookup(named[1]).name if named else "utf-8"
        except LookupError:
            return "utf-8"

    def _excerpt(self) -> str:
        value, kind = self.content()
        if kind not in ("json", "text"):
            return "."
        text = self.body.decode(errors="replace") if kind == "json" else str(value)
        short = " ".join(text.split())[:_EXCERPT_CHARACTERS]
        return f": {short}" if short else "."


async def exchange(client: httpx.AsyncClient, request: httpx.Request, limits: Limits) -> Answer:
    """Sends the request, follows up to `limits.redirects` redirects, and reads the body within the limits.

    Raises:
        AddressBlocked: the policy refuses the URL, or the address of a hop.
        DestinationTimeout: no whole answer in time.
        DestinationUnreachable: no connection, or it broke, or what came is not HTTP.
        DestinationRefused: more redirects than allowed.
        ResponseTooLarge: the body is larger than allowed.
        NodeConfigInvalid: the request can not be sent as HTTP.
    """
    what = _named(request)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(limits.total_seconds):
            response, body = await _follow(client, request, limits, what)
    except (TimeoutError, httpx.TimeoutException) as error:
        seconds = time.perf_counter() - began
        step = type(error).__name__ if isinstance(error, httpx.TimeoutException) else "no whole answer"
        raise DestinationTimeout(f"{what}: {step} after {seconds:.1f} s.", host=request.url.host) from None
    except (httpx.LocalProtocolError, httpx.InvalidURL) as error:
        raise NodeConfigInvalid(f"{what} can not be sent as HTTP: {error}.") from None
    except httpx.HTTPError as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise DestinationUnreachable(f"{what}: {reason}.", host=request.url.host) from None
    duration_ms = round((time.perf_counter() - began) * 1000, 2)
    return Answer(what, response.url.host, response.status_code, _headers(response), body, duration_ms)


async def _follow(
    client: httpx.AsyncClient, request: httpx.Request, limits: Limits, what: str
) -> tuple[httpx.Response, bytes]:
    """Follows the hops here because httpx would read the whole body of each redirect, however large."""
    for _ in range(limits.redirects + 1):
        response = await client.send(request, stream=True)
        try:
            following = response.next_request
            if following is None or not limits.redirects:
                return response, await _read(response, limits.body_bytes, what)
        finally:
            await response.aclose()
        request = _same_secrets(following, request)
    raise DestinationRefused(f"{what} was redirected more than {limits.redirects} times.", host=request.url.host)


def _same_secrets(following: httpx.Request, request: httpx.Request) -> httpx.Request:
    """A redirect to another origin gets none of the author's headers: any of them may be a key."""
    here, there = request.url, following.url
    if (here.scheme, here.host, here.port) != (there.scheme, there.host, there.port):
        for name in [name for name in following.headers if name not in _CROSS_ORIGIN_HEADERS]:
            del following.headers[name]
    return following


async def _read(response: httpx.Response, limit: int, what: str) -> bytes:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    announced = response.headers.get("content-length", "")
    too_large = ResponseTooLarge(
        f"The answer to {what} is larger than {limit} bytes. "
        "Ask for less (a page, a field filter), or raise max_response_bytes, up to 200000.",
        host=response.url.host,
        limit=limit,
    )
    if response.request.method != "HEAD" and announced.isdigit() and int(announced) > limit:
        raise too_large
    chunks = response.aiter_raw()
    parts = bytearray()
    async for piece in inflated(chunks, limit + 1) if encoding in ("gzip", "x-gzip", "deflate") else chunks:
        parts += piece
        if len(parts) > limit:
            raise too_large
    return bytes(parts)


async def inflated(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Decodes gzip or zlib data in pieces of at most `most` bytes, however much a chunk expands to.

    Raises:
        httpx.DecodingError: the data is neither.
    """
    decoder = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, told apart by the header
    async for chunk in chunks:
        rest = chunk
        while rest:
            try:
                piece = decoder.decompress(rest, most)
            except zlib.error as error:
                raise httpx.DecodingError(f"the body is not what its Content-Encoding says ({error})") from None
            yield piece
            rest = decoder.unconsumed_tail
            if decoder.eof and decoder.unused_data:  # gzip allows several members in a row, RFC 1952
                rest, decoder = decoder.unused_data, zlib.decompressobj(wbits=47)


def _named(request: httpx.Request) -> str:
    url = request.url
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    return f"{request.method} {url.scheme}://{url.netloc.decode('ascii')}{path}"


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in _CREDENTIAL_HEADERS}


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
