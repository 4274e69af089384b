"""An ASGI app behind a REST API of API Gateway: Lambda's events in, its answers out.

API Gateway serves an API below the name of its stage (`/live`), and keeps that from the app, unless the API has a
domain name of its own. The app is told where it is (`root_path` of ASGI), so that the URLs that it makes can be called;
paths that it answers with (`Location`, the `Path` of cookies) are put below the stage.
Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import re
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TEXTS = [*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"]
"""Anything else goes to API Gateway in base64, and reaches the caller so."""

_COOKIE_PATH = re.compile(r"(?<=; path=)/", re.IGNORECASE)


def behind_gateway(app: ASGIApp) -> Mangum:
    """What a Lambda's handler calls with an event and a context."""
    return Mangum(_Below(app), lifespan="off", text_mime_types=TEXTS)


def stage_path(event: dict[str, Any]) -> str:
    """What callers put before the path that the app sees: `/live`, or nothing behind a domain name of our own."""
    called, seen = str(event["requestContext"].get("path", "")), str(event["path"])
    return called.removesuffix(seen).rstrip("/") if called.endswith(seen) else ""


class _Below:
    """Puts the app below the stage's path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = stage_path(scope["aws.event"])
        if not root:
            await self._app(scope, receive, send)
            return

        async def send_below(message: Message) -> None:
            if message["type"] == "http.response.start":
                _put_below(root, MutableHeaders(scope=message))
            await send(message)

        await self._app({**scope, "root_path": root, "path": root + scope["path"]}, receive, send_below)


def _put_below(root: str, headers: MutableHeaders) -> None:
    location = headers.get("location", "")
    if location.startswith("/") and not location.startswith("//"):
        headers["location"] = root + location
    cookies = headers.getlist("set-cookie")
    del headers["set-cookie"]
    for cookie in cookies:
        headers.append("set-cookie", _COOKIE_PATH.sub(f"{root}/", cookie, count=1))
