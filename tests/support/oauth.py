"""A service that asks a person for access: a real HTTP server which holds its clients to RFC 6749 and RFC 7636."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_urlsafe
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer

CLIENT_ID, CLIENT_SECRET = "millrace-client", "cl1ent-s3cret"


class Provider:
    """Gives everybody access. Codes and refresh tokens are good once; `lasts` is an access token's time in seconds."""

    def __init__(self) -> None:
        self.url = ""
        self.lasts: int | None = 3600
        self.refreshable = True
        self.refreshed = 0
        self.access: set[str] = set()
        self.handed_out: set[str] = set()
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh: set[str] = set()

    async def authorize(self, request: web.Request) -> web.Response:
        """The person agrees at once."""
        asked = dict(request.query)
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        code = self._new()
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"]}
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode(answer)}")

    async def token(self, request: web.Request) -> web.Response:
        """Tokens for a code or a refresh token."""
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return web.json_response({"error": "invalid_client"}, status=401)
        form = await request.post()
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self._refresh:
                return web.json_response({"error": "invalid_grant"}, status=400)
            self._refresh.remove(str(form["refresh_token"]))
            self.refreshed += 1
            return self._tokens()
        asked = self._codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (challenge, form["redirect_uri"]):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return self._tokens()

    async def me(self, request: web.Request) -> web.Response:
        """What those with access may read."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return web.json_response({"token": token}, status=200 if token in self.access else 401)

    def _tokens(self) -> web.Response:
        access = self._new()
        self.access = {access}
        body: dict[str, object] = {"access_token": access, "token_type": "Bearer"}
        if self.lasts is not None:
            body["expires_in"] = self.lasts
        if self.refreshable:
            refresh = self._new()
            self._refresh.add(refresh)
            body["refresh_token"] = refresh
        return web.json_response(body)

    def _new(self) -> str:
        made = token_urlsafe(24)
        self.handed_out.add(made)
        return made


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """The service, at `url`: /authorize, /token, /me."""
    service, app = Provider(), web.Application()
    app.router.add_get("/authorize", service.authorize)
    app.router.add_post("/token", service.token)
    app.router.add_get("/me", service.me)
    async with TestServer(app, host="127.0.0.1") as server:
        service.url = f"http://127.0.0.1:{server.port}"
        yield service
