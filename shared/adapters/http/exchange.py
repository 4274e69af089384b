"""One request and its answer, within limits, with every failure as a NodeError. Works on a GuardedClient.

Terms:
  hop      one request of a chain of redirects; each is checked by the egress policy like the first
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import (
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    InvalidURL,
)
from yarl import URL

from shared.adapters.http.answer import Answer
from shared.adapters.http.client import GuardedClient, Request, parsed
from shared.errors import (
    DestinationRefused,
    DestinationTimeout,
    DestinationUnreachable,
    NodeConfigInvalid,
    ResponseTooLarge,
)

ACCEPT_ENCODING = "gzip, deflate"
"""What can be decoded a bounded piece at a time with the standard library."""

MAX_REDIRECTS = 5
TOTAL_SECONDS = 60.0
_CROSS_ORIGIN_HEADERS = frozenset({"accept", "accept-encoding", "content-type", "user-agent", "idempotency-key"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOVED = frozenset({301, 302})
_CREDENTIAL_HEADERS = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one exchange, redirects included: bytes of the decoded body, seconds, redirects."""

    body_bytes: int
    total_seconds: float = TOTAL_SECONDS
    redirects: int = 0


async def exchange(client: GuardedClient, request: Request, limits: Limits) -> Answer:
    """Sends the request, follows up to `limits.redirects` redirects, and reads the body within the limits.

    Raises:
        AddressBlocked: the policy refuses the URL, or the address of a hop.
        DestinationTimeout: no whole answer in time.
        DestinationUnreachable: no connection, or it broke, or what came is not HTTP.
        DestinationRefused: more redirects than allowed.
        ResponseTooLarge: the body is larger than allowed.
        NodeConfigInvalid: the request can not be sent as HTTP.
    """
    what, host = _named(request), request.url.raw_host or ""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(limits.total_seconds):
            response, body = await _follow(client, request, limits, what)
    except TimeoutError as error:
        seconds = time.perf_counter() - began
        step = type(error).__name__ if isinstance(error, ClientError) else "no whole answer"
        raise DestinationTimeout(f"{what}: {step} after {seconds:.1f} s.", host=host) from None
    except InvalidURL as error:
        raise NodeConfigInvalid(f"{what} can not be sent as HTTP: {error.description or 'no URL'}.") from None
    except ClientError as error:
        raise DestinationUnreachable(f"{what}: {_reason(error)}.", host=host) from None
    except ValueError as error:
        raise NodeConfigInvalid(f"{what} can not be sent as HTTP: {error}.") from None
    duration_ms = round((time.perf_counter() - began) * 1000, 2)
    return Answer(what, response.url.raw_host or "", response.status, _headers(response), body, duration_ms)


async def _follow(client: GuardedClient, request: Request, limits: Limits, what: str) -> tuple[ClientResponse, bytes]:
    """Follows the hops here because aiohttp would read the whole body of each redirect, however large."""
    for _ in range(limits.redirects + 1):
        async with client.send(request) as response:
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None or not limits.redirects:
                return response, await _read(response, limits.body_bytes, what)
            request = _redirected(request, response.status, location)
    raise DestinationRefused(f"{what} was redirected more than {limits.redirects} times.", host=request.url.raw_host)


def _redirected(request: Request, status: int, location: str) -> Request:
    """The request that a redirect asks for; source: RFC 9110, 15.4.

    Another origin gets none of the author's headers: any of them may be a key.
    """
    try:
        url = request.url.join(parsed(location))
    except ValueError:
        raise DestinationUnreachable(
            f"{_named(request)} redirects to '{location[:80]}', which is no URL.", host=request.url.raw_host
        ) from None
    method, body, headers = request.method, request.body, request.headers
    if status == HTTPStatus.SEE_OTHER or (status in _MOVED and method == "POST"):
        method, body = method if method == "HEAD" else "GET", None
        headers = {name: value for name, value in headers.items() if name != "content-type"}
    if _origin(url) != _origin(request.url):
        headers = {name: value for name, value in headers.items() if name in _CROSS_ORIGIN_HEADERS}
    return Request(method, url, headers, body)


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.raw_host, url.port


async def _read(response: ClientResponse, limit: int, what: str) -> bytes:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    announced = response.headers.get("content-length", "")
    too_large = ResponseTooLarge(
        f"The answer to {what} is larger than {limit} bytes. "
        "Ask for less (a page, a field filter), or raise max_response_bytes.",
        host=response.url.raw_host,
        limit=limit,
    )
    if response.method != "HEAD" and announced.isdigit() and int(announced) > limit:
        raise too_large
    chunks = response.content.iter_any()
    parts = bytearray()
    async for piece in inflated(chunks, limit + 1) if encoding in ("gzip", "x-gzip", "deflate") else chunks:
        parts += piece
        if len(parts) > limit:
            raise too_large
    return bytes(parts)


async def inflated(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Decodes gzip or zlib data in pieces of at most `most` bytes, however much a chunk expands to.

    Raises:
        aiohttp.ClientPayloadError: the data is neither.
    """
    decoder = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, told apart by the header
    async for chunk in chunks:
        rest = chunk
        while rest:
            try:
                piece = decoder.decompress(rest, most)
            except zlib.error as error:
                raise ClientPayloadError(f"the body is not what its Content-Encoding says ({error})") from None
            yield piece
            rest = decoder.unconsumed_tail
            if decoder.eof and decoder.unused_data:  # gzip allows several members in a row, RFC 1952
                rest, decoder = decoder.unused_data, zlib.decompressobj(wbits=47)


def _named(request: Request) -> str:
    url = request.url
    return f"{request.method} {url.scheme}://{url.host_port_subcomponent}{url.raw_path}"


def _reason(error: ClientError) -> str:
    """A text of aiohttp may hold the whole URL, and a URL may hold a key."""
    if isinstance(error, ClientConnectorDNSError):
        return f"the name {error.host} does not resolve ({error.os_error.strerror or error.os_error})"
    if isinstance(error, ClientConnectorError):
        return f"no connection ({error.os_error.strerror or error.os_error})"
    if isinstance(error, ClientResponseError):
        return f"the answer is not HTTP: {error.message.partition(':')[0]}"
    return str(error).rstrip(".") or type(error).__name__


def _headers(response: ClientResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for mixed, value in response.headers.items():
        name = mixed.lower()
        if name not in _CREDENTIAL_HEADERS:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found
