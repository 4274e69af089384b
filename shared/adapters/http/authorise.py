"""Requests with the credentials of a connection.

Credentials go over TLS only (or to a host that the operator lists), only to the hosts that the connection names, and
never along with a redirect to another origin: `exchange` sees to that.
"""

import base64
import copy
import hashlib
import hmac
from dataclasses import replace

from shared.adapters.http.answer import Answer
from shared.adapters.http.breaker import guarded
from shared.adapters.http.client import GuardedClient, Request
from shared.adapters.http.exchange import Limits, exchange
from shared.adapters.http.oauth2 import OAuth2Tokens
from shared.connections.kinds import (
    HTTP_KINDS,
    ApiKey,
    Basic,
    Bearer,
    Credentials,
    HmacSigned,
    HttpConnection,
    OAuth2AuthorizationCode,
    OAuth2ClientCredentials,
)
from shared.connections.redaction import keep_secret
from shared.errors import ConnectionUnusable
from shared.ports import Circuits

_UNAUTHORIZED = 401


class Requester:
    """Sends requests, with or without credentials. Belongs to the running event loop, as its client does."""

    def __init__(self, client: GuardedClient, circuits: Circuits | None = None) -> None:
        self.client = client
        self._tokens = OAuth2Tokens(client)
        self._circuits = circuits
        self.project_id = ""

    def of(self, project_id: str) -> "Requester":
        """The same, on behalf of a project: what its destinations fail at is no other project's business."""
        found = copy.copy(self)
        found.project_id = project_id
        return found

    async def send(self, request: Request, limits: Limits, credentials: Credentials | None = None) -> Answer:
        """The answer; see `exchange` for what else is raised. A fetched token that is refused is fetched anew, once.

        Raises:
            ConnectionUnusable: the connection is of another kind, not for this host, or gets no token.
            CircuitOpen: the destination failed many times in a row, and is left alone for now.
        """
        if credentials is None:
            return await self._exchange(request, limits)
        if not isinstance(credentials, HTTP_KINDS):
            raise ConnectionUnusable(f"A connection of the kind '{credentials.kind}' does not authorise HTTP requests.")
        self._check_destination(request, credentials)
        answer = await self._exchange(await self._authorised(request, credentials), limits)
        if answer.status == _UNAUTHORIZED and isinstance(credentials, OAuth2ClientCredentials):
            self._tokens.forget(credentials)
            answer = await self._exchange(await self._authorised(request, credentials), limits)
        return answer

    async def fetch_token(self, credentials: OAuth2ClientCredentials) -> None:
        """Raises ConnectionUnusable where the connection gets no token; also where it had one before."""
        self._tokens.forget(credentials)
        await self._tokens.token(credentials)

    async def _exchange(self, request: Request, limits: Limits) -> Answer:
        if self._circuits is None or not self.project_id:
            return await exchange(self.client, request, limits)
        async with guarded(self._circuits, self.project_id, request) as outcome:
            outcome.answer = await exchange(self.client, request, limits)
        return outcome.answer

    def _check_destination(self, request: Request, credentials: HttpConnection) -> None:
        host = (request.url.raw_host or "").lower()
        if not self.client.is_confidential(request.url):
            raise ConnectionUnusable(
                f"Credentials are not sent to http://{host}, where everyone on the way can read them; use https.",
                host=host,
            )
        if credentials.hosts and not any(_matches(host, pattern) for pattern in credentials.hosts):
            allowed = ", ".join(credentials.hosts)
            raise ConnectionUnusable(
                f"The connection is for {allowed}, not for {host}. Correct the URL, or the connection's hosts.",
                host=host,
            )

    async def _authorised(self, request: Request, credentials: HttpConnection) -> Request:
        match credentials:
            case Bearer():
                return _with_header(request, "authorization", f"Bearer {credentials.token.get_secret_value()}")
            case Basic():
                return _basic(request, credentials)
            case ApiKey():
                return _api_key(request, credentials)
            case HmacSigned():
                return _signed(request, credentials)
            case OAuth2AuthorizationCode():
                return _with_header(request, "authorization", f"Bearer {token_given(credentials)}")
            case OAuth2ClientCredentials():
                return _with_header(request, "authorization", f"Bearer {await self._tokens.token(credentials)}")


def token_given(credentials: OAuth2AuthorizationCode) -> str:
    """The access token. Raises ConnectionUnusable where nobody gave access yet."""
    if credentials.access_token is None:
        raise ConnectionUnusable("Nobody has authorised the connection: POST /api/connections/{id}/authorize.")
    return credentials.access_token.get_secret_value()


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _with_header(request: Request, name: str, value: str) -> Request:
    return replace(request, headers=request.headers | {name: value})


def _basic(request: Request, credentials: Basic) -> Request:
    pair = f"{credentials.username}:{credentials.password.get_secret_value()}"
    value = base64.b64encode(pair.encode()).decode()
    keep_secret(value)
    return _with_header(request, "authorization", f"Basic {value}")


def _api_key(request: Request, credentials: ApiKey) -> Request:
    value = credentials.value.get_secret_value()
    if credentials.location == "header":
        return _with_header(request, credentials.name.lower(), value)
    return replace(request, url=request.url.update_query({credentials.name: value}))


def _signed(request: Request, credentials: HmacSigned) -> Request:
    algorithm = getattr(hashlib, credentials.algorithm)
    digest = hmac.new(credentials.secret.get_secret_value().encode(), request.body or b"", algorithm).digest()
    text = digest.hex() if credentials.encoding == "hex" else base64.b64encode(digest).decode()
    return _with_header(request, credentials.header.lower(), f"{credentials.prefix}{text}")
