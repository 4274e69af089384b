"""httpx behind the egress policy: every request checked, every connection opened to the address that was checked.

The name is resolved once, here; httpcore gets the address to connect to, and keeps the name for the Host header and
for TLS (SNI and certificate). A second DNS answer can therefore not lead elsewhere (DNS rebinding). Proxies of the
environment are not used: a proxy would resolve the name again, out of our sight.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache
from http.cookiejar import CookieJar
from typing import TypeAlias

import httpcore
import httpx

from shared.egress import EgressPolicy, Target

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses, preferred first. Raises OSError."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_CONNECTIONS = 200
_MAX_IDLE = 64
_IDLE_SECONDS = 15.0
_STEP_SECONDS = 30.0
_CONNECT_SECONDS = 10.0


async def resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says. Raises OSError (socket.gaierror) where it knows nothing."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens a connection only to an address that the policy permits for the host."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver = resolve) -> None:
        self._policy = policy
        self._resolve = resolver
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A stream to the first permitted address that answers. `timeout` (seconds) is for each step.

        Raises:
            AddressBlocked: no address of the host is permitted.
            httpcore.ConnectError: the name does not resolve, or nothing answers.
            httpcore.ConnectTimeout: not in time.
        """
        addresses = self._policy.permitted(host, port, await self._addresses(host, port, timeout))
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = failure or error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore's interface
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - httpcore's interface
    ) -> httpcore.AsyncNetworkStream:
        """Never: a Unix socket is no public address."""
        raise httpcore.ConnectError(f"Unix sockets are not allowed: {path}")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(seconds):
                return await self._resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"the name {host} did not resolve in time") from None
        except OSError as error:
            raise httpcore.ConnectError(f"the name {host} does not resolve ({error.strerror or error})") from None


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport on a pool whose connections the policy checks; keeps idle connections for reuse."""

    def __init__(
        self, policy: EgressPolicy, resolver: Resolver = resolve, *, tls: ssl.SSLContext | None = None
    ) -> None:
        context = tls or tls_context()
        super().__init__(verify=context, trust_env=False)
        self._policy = policy
        # httpx has no argument for a network backend (https://github.com/encode/httpx/discussions/1633), so the pool
        # that it made, which has opened nothing, is replaced by one with ours.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=GuardedBackend(policy, resolver),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request; a redirect comes through here again. Raises AddressBlocked besides httpx's errors."""
        self._policy.check_target(target_of(request.url))
        return await super().handle_async_request(request)


class _NoCookies(CookieJar):
    """Keeps nothing: a cookie of one execution has no business in another."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Takes none out of a response."""


def target_of(url: httpx.URL) -> Target:
    """What the policy needs to know of a URL, read by the parser that the connection is made from."""
    port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    return Target(url.scheme, url.raw_host.decode("ascii"), port, bool(url.userinfo))


def guarded_client(policy: EgressPolicy, resolver: Resolver = resolve) -> httpx.AsyncClient:
    """A client for requests that authors steer: guarded, without proxies, without cookies kept from call to call.

    Redirects are off, and the time-out is per step: the caller follows each hop and limits the whole.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(policy, resolver),
        trust_env=False,
        cookies=_NoCookies(),
        timeout=httpx.Timeout(_STEP_SECONDS, connect=_CONNECT_SECONDS),
    )


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The TLS settings of this process: certificates verified, made once because loading the roots takes long."""
    return httpx.create_ssl_context(trust_env=False)
