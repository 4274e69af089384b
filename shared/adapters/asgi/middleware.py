"""What every door does before its routes: correlation ids, a limit on the body, a guard for loopback.

Plain ASGI, so that streams pass through unbuffered.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.adapters.asgi.problems import INTERNAL_DETAIL, problem
from shared.ids import new_id
from shared.observability import bind

CORRELATION_HEADER = "X-Correlation-Id"

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

log = logging.getLogger(__name__)


def route_path(scope: Scope) -> str:
    """The path below where the app is served (`root_path`), as its routes have it."""
    return str(scope["path"]).removeprefix(scope.get("app_root_path", scope.get("root_path", "")))


class Correlation:
    """Gives each request a correlation id (its own, where that is well-formed), and turns a crash into a plain 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(CORRELATION_HEADER, "")
        correlation_id = given if _CORRELATION_ID.fullmatch(given) else new_id()
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[CORRELATION_HEADER] = correlation_id
            await send(message)

        with bind(correlation_id=correlation_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                log.exception("request failed", extra={"method": scope["method"], "path": scope["path"]})
                if started:
                    raise  # half an answer is out: only a broken connection tells the caller
                await problem(scope, 500, "internal", INTERNAL_DETAIL)(scope, receive, send_with_id)


class BodyLimit:
    """Refuses a body above `limit` bytes: by its Content-Length before a byte is read, else as soon as it is exceeded.
    `larger` are the paths, by pattern, that take in more, where the length is declared: what is not declared counts as
    `limit` in shared/adapters/asgi/overload.py.

    Starlette's own limiter answers in plain text; ours leaves a problem document.
    """

    def __init__(self, app: ASGIApp, limit: int, larger: Mapping[str, int] | None = None) -> None:
        self.app = app
        self.limit = limit
        self._larger = [(re.compile(pattern), most) for pattern, most in (larger or {}).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        limit = self._limit_of(route_path(scope)) if declared else self.limit
        if declared.isdecimal() and int(declared) > limit:
            await problem(scope, 413, "request.too_large", _words(limit))(scope, receive, send)
            return
        taken = 0

        async def receive_counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                # Of all exceptions, FastAPI passes only this one through its body parsing unchanged.
                raise HTTPException(413, _words(limit))
            return message

        await self.app(scope, receive_counted, send)

    def _limit_of(self, path: str) -> int:
        return next((most for pattern, most in self._larger if pattern.fullmatch(path)), self.limit)


def _words(limit: int) -> str:
    return f"The body is larger than {limit} bytes, the most that is taken in. Send less, or a link to the data."


class LoopbackGuard:
    """Keeps web pages away from a server on loopback that has no access control yet.

    A page can make a browser call 127.0.0.1. The `Host` check stops DNS rebinding, where the page's own name resolves
    to loopback; the `Origin` check stops cross-site form posts and fetches that would change something.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str] = ()) -> None:
        """`origins`: whose pages may, besides our own."""
        self.app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if _authority(f"//{host}")[0] not in _LOOPBACK_NAMES:
            allowed = ", ".join(sorted(_LOOPBACK_NAMES))
            words = f"This server does not answer to the host name '{host[:100]}'. Allowed: {allowed}."
            await problem(scope, 421, "request.host_not_allowed", words)(scope, receive, send)
        elif self._is_foreign(origin, host) and scope["method"] not in _SAFE_METHODS:
            page = f"A page of '{(origin or '')[:100]}'"
            words = f"{page} may not change anything here. Call the API from the server's own origin."
            await problem(scope, 403, "request.cross_origin", words)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _is_foreign(self, origin: str | None, host: str) -> bool:
        return origin is not None and origin not in self._origins and _authority(origin)[1] != host


def _authority(url: str) -> tuple[str | None, str | None]:
    """The host name, and the host name with its port."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None, None
    return parts.hostname, parts.netloc
