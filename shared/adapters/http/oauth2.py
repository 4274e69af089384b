"""Access tokens by the client-credentials grant of OAuth 2.0; source: RFC 6749, 4.4."""

import asyncio
import base64
import hashlib
import time
from typing import Any
from urllib.parse import quote, urlencode

from shared.adapters.http.client import GuardedClient, Request, parsed
from shared.adapters.http.exchange import Limits, exchange
from shared.connections.kinds import OAuth2ClientCredentials
from shared.connections.redaction import keep_secret
from shared.errors import ConnectionUnusable

_LIMITS = Limits(body_bytes=100_000, total_seconds=15.0)
_EARLY_SECONDS = 30.0
"""A token is fetched anew so long before it ends."""

_DEFAULT_SECONDS = 300.0
"""Of a token whose answer does not say."""

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
        request = _token_request(credentials)
        if not self._client.is_confidential(request.url):
            raise ConnectionUnusable("The token_url of the connection is not https; credentials are not sent there.")
        answer = await exchange(self._client, request, _LIMITS)
        body, _ = answer.content()
        token = body.get("access_token") if isinstance(body, dict) else None
        if answer.status != _OK or not isinstance(token, str) or not token:
            raise ConnectionUnusable(
                f"{answer.what} gave no access token but {answer.status}{_reason(body)}. Check client_id, "
                "client_secret and scope of the connection.",
                status=answer.status,
            )
        return token, time.monotonic() + max(0.0, _seconds(body.get("expires_in")) - _EARLY_SECONDS)


def _token_request(credentials: OAuth2ClientCredentials) -> Request:
    form = {"grant_type": "client_credentials", "scope": credentials.scope, "audience": credentials.audience}
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    client_id, secret = credentials.client_id, credentials.client_secret.get_secret_value()
    if credentials.credentials_in == "body":
        form |= {"client_id": client_id, "client_secret": secret}
    else:
        pair = base64.b64encode(f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()).decode()
        keep_secret(pair)
        headers["authorization"] = f"Basic {pair}"
    body = urlencode({name: value for name, value in form.items() if value}).encode()
    return Request("POST", parsed(credentials.token_url), headers, body)


def _reason(body: Any) -> str:
    """What RFC 6749, 5.2, lets the endpoint say."""
    error = body.get("error") if isinstance(body, dict) else None
    return f" ({error[:100]})" if isinstance(error, str) else ""


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return _DEFAULT_SECONDS


def _key(credentials: OAuth2ClientCredentials) -> str:
    parts = (
        credentials.token_url,
        credentials.client_id,
        credentials.client_secret.get_secret_value(),
        credentials.scope,
        credentials.audience or "",
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
