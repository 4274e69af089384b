"""Access tokens of OAuth 2.0: by the client's credentials (RFC 6749, 4.4), and for what a person agreed to (4.1, 6)."""

import asyncio
import base64
import hashlib
import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from shared.adapters.http.client import GuardedClient, Request, parsed
from shared.adapters.http.exchange import Limits, exchange
from shared.clock import Clock
from shared.connections.kinds import OAuth2AuthorizationCode, OAuth2ClientCredentials
from shared.connections.records import Grant
from shared.connections.redaction import keep_secret
from shared.errors import ConnectionUnusable
from shared.ports import Grants

_LIMITS = Limits(body_bytes=100_000, total_seconds=15.0)
_EARLY_SECONDS = 30.0
"""A token is fetched anew so long before it ends."""

_DEFAULT_SECONDS = 300.0
"""Of a token whose answer does not say."""

_FIXES = {
    "oauth2_client_credentials": "Check client_id, client_secret and scope of the connection.",
    "oauth2_authorization_code": "Authorise the connection again: POST /api/connections/{id}/authorize.",
}
_MOST = 1_000
_OK = 200


class OAuth2Tokens:
    """Tokens in the memory of one process, each fetched once however many ask for it at a time."""

    def __init__(self, client: GuardedClient) -> None:
        self._client = client
        self._tokens: dict[str, tuple[str, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def token(self, credentials: OAuth2ClientCredentials) -> str:
        """A token that is good for a while yet.

        Raises:
            ConnectionUnusable: the token endpoint refuses, or gives no token.
            NodeError: it cannot be reached; see `exchange`.
        """
        key = _key(credentials)
        async with self._locks.setdefault(key, asyncio.Lock()):
            found = self._tokens.get(key)
            if found is None or found[1] <= time.monotonic():
                found = self._tokens[key] = await self._fetch(credentials)
                self._forget_the_oldest()
        keep_secret(found[0])
        return found[0]

    def forget(self, credentials: OAuth2ClientCredentials) -> None:
        """The next call fetches a new one."""
        self._tokens.pop(_key(credentials), None)

    def _forget_the_oldest(self) -> None:
        while len(self._tokens) > _MOST:
            oldest = next(iter(self._tokens))
            self._tokens.pop(oldest)
            self._locks.pop(oldest, None)

    async def _fetch(self, credentials: OAuth2ClientCredentials) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "scope": credentials.scope, "audience": credentials.audience or ""}
        body = await _ask(self._client, credentials, form)
        seconds = _seconds(body.get("expires_in"))
        lasts = _DEFAULT_SECONDS if seconds is None else seconds
        return body["access_token"], time.monotonic() + max(0.0, lasts - _EARLY_SECONDS)


class OAuth2Grants(Grants):
    """Tokens for what a person agreed to."""

    def __init__(self, client: GuardedClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def redeem(self, credentials: OAuth2AuthorizationCode, grant: Grant) -> OAuth2AuthorizationCode:
        """Source: RFC 6749, 4.1.3; RFC 7636, 4.5."""
        keep_secret(grant.code)
        form = {"grant_type": "authorization_code", "code": grant.code, "redirect_uri": grant.redirect_uri}
        body = await _ask(self._client, credentials, form | {"code_verifier": grant.verifier})
        return self._with_tokens(credentials.model_copy(update={"authorized_at": self._clock.now()}), body)

    async def renew(self, credentials: OAuth2AuthorizationCode) -> OAuth2AuthorizationCode:
        """Source: RFC 6749, 6. Some services give a new refresh token with it; else the old one stays."""
        if credentials.refresh_token is None:
            raise ConnectionUnusable(
                "The access of the connection has ended, and the service gave no refresh token. Authorise the "
                "connection again; some services give one only when asked, as in `access_type: offline`."
            )
        keep_secret(credentials.refresh_token.get_secret_value())
        form = {"grant_type": "refresh_token", "refresh_token": credentials.refresh_token.get_secret_value()}
        return self._with_tokens(credentials, await _ask(self._client, credentials, form))

    def _with_tokens(self, credentials: OAuth2AuthorizationCode, body: dict[str, Any]) -> OAuth2AuthorizationCode:
        seconds, refresh = _seconds(body.get("expires_in")), body.get("refresh_token")
        keep_secret(body["access_token"])
        changes: dict[str, Any] = {
            "access_token": SecretStr(body["access_token"]),
            "expires_at": None if seconds is None else self._clock.now() + timedelta(seconds=seconds),
        }
        if isinstance(refresh, str) and refresh:
            keep_secret(refresh)
            changes["refresh_token"] = SecretStr(refresh)
        return credentials.model_copy(update=changes)


async def _ask(
    client: GuardedClient, credentials: OAuth2ClientCredentials | OAuth2AuthorizationCode, form: dict[str, str]
) -> dict[str, Any]:
    """What the token endpoint says, with an `access_token` in it."""
    request = _token_request(credentials, form)
    if not client.is_confidential(request.url):
        raise ConnectionUnusable("The token_url of the connection is not https; credentials are not sent there.")
    answer = await exchange(client, request, _LIMITS)
    body, _ = answer.content()
    token = body.get("access_token") if isinstance(body, dict) else None
    if answer.status != _OK or not isinstance(token, str) or not token:
        raise ConnectionUnusable(
            f"{answer.what} gave no access token but {answer.status}{_reason(body)}. {_FIXES[credentials.kind]}",
            status=answer.status,
        )
    found: dict[str, Any] = body
    return found


def _token_request(credentials: OAuth2ClientCredentials | OAuth2AuthorizationCode, given: dict[str, str]) -> Request:
    form = {name: value for name, value in given.items() if value}
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    client_id = credentials.client_id
    secret = credentials.client_secret.get_secret_value() if credentials.client_secret else None
    if secret is None or credentials.credentials_in == "body":
        form |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
    else:
        pair = base64.b64encode(f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
        keep_secret(pair)
        headers["authorization"] = f"Basic {pair}"
    return Request("POST", parsed(credentials.token_url), headers, urlencode(form).encode())


def _reason(body: Any) -> str:
    """What RFC 6749, 5.2, lets the endpoint say."""
    error = body.get("error") if isinstance(body, dict) else None
    return f" ({error[:100]})" if isinstance(error, str) else ""


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _key(credentials: OAuth2ClientCredentials) -> str:
    parts = (
        credentials.token_url,
        credentials.client_id,
        credentials.client_secret.get_secret_value(),
        credentials.scope,
        credentials.audience or "",
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
