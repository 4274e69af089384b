"""Rate limits as HTTP: refusals, and the headers that say what is left.

Source: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10; RFC 6585 §4 (429).
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.adapters.asgi.middleware import route_path
from shared.adapters.asgi.problems import problem
from shared.errors import TooManyRequests
from shared.ports.limits import WINDOW_SECONDS, RateLimit, RateLimits, RateState

_FREE = frozenset({"/healthz", "/readyz"})
_SIGN_IN = re.compile(r"/api/auth/.*")


def check(scope: Scope, states: Sequence[RateState]) -> None:
    """Keeps the states for the headers of the answer. Raises TooManyRequests where one says no."""
    scope.setdefault("state", {}).setdefault("rate_limits", []).extend(states)
    if (refused := next((each for each in states if not each.allowed), None)) is not None:
        raise TooManyRequests(words(refused), retry_after_seconds=refused.reset_seconds)


def words(state: RateState) -> str:
    """Why a request is refused."""
    limit = state.limit
    return (
        f"More than {limit.amount} requests in {WINDOW_SECONDS} s ({limit.name}). "
        f"Come back in {state.reset_seconds} s; nothing was done."
    )


class RateLimited:
    """Counts requests by address, before anything else is done, and adds the headers of every limit that counted."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: RateLimits,
        address_of: Callable[[Scope], str | None],
        address: int,
        sign_in: int,
    ) -> None:
        self.app = app
        self._limits = limits
        self._address_of = address_of
        self._address = address
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) in _FREE:
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), scope.get("state", {}).get("rate_limits", ()))
            await send(message)

        if wanted := self._wanted(scope):
            try:
                check(scope, await self._limits.hit(wanted))
            except TooManyRequests as error:
                headers = {"Retry-After": str(error.details["retry_after_seconds"])}
                answer = problem(scope, 429, error.code, error.message, headers=headers, details=error.details)
                await answer(scope, receive, send_with_headers)
                return
        await self.app(scope, receive, send_with_headers)

    def _wanted(self, scope: Scope) -> list[RateLimit]:
        address = self._address_of(scope)
        if address is None or ip_address(address).is_loopback:
            return []
        wanted = [RateLimit("address", address, self._address)]
        if _SIGN_IN.fullmatch(route_path(scope)):
            wanted.append(RateLimit("sign-in", address, self._sign_in))
        return wanted


def _add(headers: MutableHeaders, states: Sequence[RateState]) -> None:
    if not states:
        return
    headers["RateLimit-Policy"] = ", ".join(f'"{s.limit.name}";q={s.limit.amount};w={WINDOW_SECONDS}' for s in states)
    tightest = min(states, key=lambda state: (state.allowed, state.remaining))
    headers["RateLimit"] = f'"{tightest.limit.name}";r={tightest.remaining};t={tightest.reset_seconds}'
