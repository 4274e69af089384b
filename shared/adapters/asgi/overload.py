"""What a process takes in at once: beyond it, requests are refused before memory runs out."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.adapters.asgi.problems import problem

MAX_REQUESTS = 2_000
MAX_BODY_BYTES_AT_ONCE = 256 * 1024 * 1024

_BODYLESS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class InFlightLimit:
    """Answers 503 with Retry-After to a request that would be one too many, or whose body would not fit beside those
    that are being worked on. A body whose length is not declared counts as `body_limit`, the most that one may have;
    a declared one may have up to `largest_body`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_limit: int,
        largest_body: int,
        requests: int = MAX_REQUESTS,
        body_bytes: int = MAX_BODY_BYTES_AT_ONCE,
    ) -> None:
        self.app = app
        self._body_limit = body_limit
        self._largest_body = max(body_limit, largest_body)
        self._requests = requests
        self._bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        size = self._size(scope)
        if self._requests < 1 or self._bytes < size:
            words = "This server works on as many requests as it can. Nothing was taken in; send it again in a moment."
            await problem(scope, 503, "server.overloaded", words)(scope, receive, send)
            return
        self._requests -= 1
        self._bytes -= size
        try:
            await self.app(scope, receive, send)
        finally:
            self._requests += 1
            self._bytes += size

    def _size(self, scope: Scope) -> int:
        if scope["method"] in _BODYLESS:
            return 0
        declared = Headers(scope=scope).get("content-length", "")
        return min(int(declared), self._largest_body) if declared.isdecimal() else self._body_limit
