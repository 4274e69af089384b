"""aiohttp behind the egress policy: every request checked, every connection opened to an address that was checked.

The name is resolved once, here; aiohttp gets the addresses to connect to, and keeps the name for the Host header and
for TLS (SNI and certificate). A second DNS answer can therefore not lead elsewhere (DNS rebinding). Proxies of the
environment are not used: a proxy would resolve the name again, out of our sight. Cookies are not kept: that of one
execution has no business in another.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from types import TracebackType
from typing import Self, TypeAlias

from aiohttp import (
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidUrlClientError,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared.egress import EgressPolicy, Target
from shared.errors import AddressBlocked, DestinationUnreachable

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses, preferred first. Raises OSError."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_CONNECTIONS = 200
_IDLE_SECONDS = 15.0
_TIMEOUT = ClientTimeout(total=None, connect=None, sock_connect=10.0, sock_read=30.0)
_MAX_HEADER_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes out: header names are lower-case; a `body` of None sends none."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes | None = None


class GuardedClient:
    """Sends requests to where the policy permits; keeps idle connections for reuse. Belongs to the event loop of its
    first request.

    Redirects are not followed and bodies not decoded: the caller follows each hop and limits the whole. Time-outs are
    per step.
    """

    def __init__(
        self, policy: EgressPolicy, resolver: "Resolver | None" = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._resolver = resolver or resolve
        self._tls = tls

    @cached_property
    def _session(self) -> ClientSession:
        """Made by the first request: a Lambda puts its parts together before its event loop runs."""
        connector = TCPConnector(
            resolver=_GuardedResolver(self._policy, self._resolver),
            use_dns_cache=False,  # it would keep an address past the idle time of a connection
            ssl=self._tls or True,
            limit=_MAX_CONNECTIONS,
            keepalive_timeout=_IDLE_SECONDS,
        )
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=_TIMEOUT,
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[ClientResponse]:
        """The answer to one request, its body still to be read; a connection that was not read to its end is closed.

        Raises:
            AddressBlocked: the policy refuses the URL, or every address of its host.
            aiohttp.ClientError, TimeoutError: see aiohttp.
        """
        target = target_of(request.url)
        self._policy.check_target(target)
        if _is_address(target.host):  # aiohttp asks no resolver about it
            self._policy.permitted(target.host, target.port, [target.host])
        try:
            response = await self._session.request(
                request.method, request.url, headers=request.headers, data=request.body, allow_redirects=False
            )
        except InvalidUrlClientError as error:
            reason = f"'{target.host}' {error.description or 'is no host'}"
            raise AddressBlocked(f"{reason}; write the host in full.", host=target.host) from None
        try:
            yield response
        finally:
            response.close() if not response.content.at_eof() else response.release()

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Where other protocols may connect to: those addresses of the host that the policy permits, preferred first.

        Raises:
            AddressBlocked: none of them, or it is no host.
            DestinationUnreachable: the name does not resolve.
        """
        self._policy.check_target(Target("https", host, port))
        try:
            found = [host] if _is_address(host) else await self._resolver(host, port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise DestinationUnreachable(f"The name {host} does not resolve ({reason}).", host=host) from None
        return self._policy.permitted(host, port, found)

    def is_confidential(self, url: URL) -> bool:
        """Whether credentials may go there: over TLS, or to a host that the operator allows by name or address."""
        return url.scheme == "https" or self._policy.lists(target_of(url))

    async def aclose(self) -> None:
        """Closes the connections."""
        if "_session" in self.__dict__:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _GuardedResolver(AbstractResolver):
    """Gives aiohttp only the addresses that the policy permits for the host."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolve = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises AddressBlocked where no address is permitted, OSError where the name does not resolve."""
        del family  # a host may have addresses of both
        found = self._policy.permitted(host, port, await self._resolve(host, port))
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """Holds nothing."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says. Raises OSError (socket.gaierror) where it knows nothing."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


def parsed(text: str) -> URL:
    """The URL as it was written, byte for byte: who signed it signed these bytes. Only what is not ASCII, or a space,
    is encoded. Raises ValueError."""
    written = text.isascii() and text.isprintable() and " " not in text
    url = URL(text, encoded=written)
    _ = url.port  # read late by yarl; a bad one is a ValueError too
    return url


def target_of(url: URL) -> Target:
    """What the policy needs to know of a URL, read by the parser that the connection is made from."""
    port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    credentials = url.raw_user is not None or url.raw_password is not None
    return Target(url.scheme, (url.raw_host or "").lower(), port, credentials)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
