"""OidcProviders over HTTP: discovery, the code's exchange, and ID tokens held to OpenID Connect Core 1.0, 3.1.3.7."""

import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import jwt
from jwt import PyJWK

from shared.adapters.http import github
from shared.adapters.http.client import GuardedClient, Request, parsed
from shared.adapters.http.exchange import Limits, exchange
from shared.errors import ConfigInvalid, NodeError, NotFound, StoreUnavailable, Unauthenticated
from shared.identity.oidc import Asked, Person, Provider, challenge_of
from shared.ports.oidc import OidcProviders

_LIMITS = Limits(body_bytes=200_000, total_seconds=10.0)
_KEPT_SECONDS = 3600.0
_KEYS_EVERY_SECONDS = 10.0
"""Keys are read anew for an unknown `kid`, but not more often than this."""
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["iss", "aud", "sub", "iat", "exp"]
_LEEWAY_SECONDS = 30
_OK = 200
REFUSED = "The provider's answer does not prove who you are. Begin again; the server's log says more."


class HttpOidcProviders(OidcProviders):
    """Talks to the providers through the egress policy; keeps what they publish for an hour."""

    def __init__(self, client: GuardedClient, providers: Mapping[str, Provider]) -> None:
        self._client = client
        self._providers = providers
        self._found: dict[str, tuple[dict[str, Any], float]] = {}
        self._keys: dict[str, tuple[dict[str, PyJWK], float]] = {}

    @property
    def names(self) -> Sequence[str]:
        return sorted(self._providers)

    async def authorize_url(self, asked: Asked, state: str) -> str:
        """Raises NotFound, ConfigInvalid, StoreUnavailable."""
        provider = self._provider(asked.provider)
        if provider.kind == "github":
            return github.authorize_url(provider, asked, state)
        wanted = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": asked.callback,
            "scope": provider.scope,
            "state": state,
            "nonce": asked.nonce,
            "code_challenge": challenge_of(asked.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = str((await self._discovered(provider))["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(wanted)}"

    async def person(self, asked: Asked, code: str) -> Person:
        """Raises Unauthenticated, StoreUnavailable."""
        provider = self._provider(asked.provider)
        if provider.kind == "github":
            return await github.person(self._ask, provider, asked, code)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.callback,
            "code_verifier": asked.verifier,
            "client_id": provider.client_id,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if provider.client_secret is not None:
            secret = provider.client_secret.get_secret_value()
            pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        endpoint = (await self._discovered(provider))["token_endpoint"]
        body = await self._ask("POST", endpoint, headers, urlencode(form).encode())
        token = body.get("id_token") if isinstance(body, dict) else None
        if not isinstance(token, str):
            raise Unauthenticated(REFUSED)
        return await self._vouched(provider, token, asked.nonce)

    async def _vouched(self, provider: Provider, token: str, nonce: str) -> Person:
        try:
            claims = await self._claims(provider, token)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise Unauthenticated(REFUSED) from None
        email = claims.get("email")
        right = claims.get("nonce") == nonce and claims.get("azp") in (None, provider.client_id)
        if not right or claims.get("email_verified") is not True or not isinstance(email, str):
            raise Unauthenticated(REFUSED)
        return Person(provider.issuer, claims["sub"], email.lower())

    async def _claims(self, provider: Provider, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.keys() & {"jwk", "jku", "x5u", "x5c", "crit"} or header["alg"] not in _ALGORITHMS:
            raise ValueError
        key = await self._key(provider, header["kid"])
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[header["alg"]],
            audience=provider.client_id,
            issuer=provider.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED, "strict_aud": True},
        )
        return claims

    async def _key(self, provider: Provider, kid: Any) -> PyJWK:
        if not isinstance(kid, str):
            raise TypeError
        keys, at = self._keys.get(provider.name, ({}, float("-inf")))
        age = time.monotonic() - at
        if age > _KEPT_SECONDS or (kid not in keys and age > _KEYS_EVERY_SECONDS):
            body = await self._ask("GET", (await self._discovered(provider))["jwks_uri"])
            listed = body.get("keys", []) if isinstance(body, dict) else []
            keys = {each["kid"]: PyJWK(each) for each in listed if _signs(each)}
            self._keys[provider.name] = keys, time.monotonic()
        return keys[kid]

    async def _discovered(self, provider: Provider) -> dict[str, Any]:
        """Its metadata (OpenID Connect Discovery 1.0, 4.3): the issuer must be the one that was configured."""
        found, at = self._found.get(provider.name, ({}, float("-inf")))
        if time.monotonic() - at > _KEPT_SECONDS:
            body = await self._ask("GET", f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
            if not isinstance(body, dict) or body.get("issuer") != provider.issuer:
                raise ConfigInvalid(
                    f"{provider.issuer} does not say that it is the issuer of the provider '{provider.name}'. Write "
                    "`issuer` in MILLRACE_OIDC exactly as the provider does."
                )
            found = body
            self._found[provider.name] = found, time.monotonic()
        return found

    async def _ask(
        self, method: str, url: Any, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Any:
        """The JSON that a provider answers; None where it refuses."""
        request = Request(method, parsed(str(url)), headers or {"accept": "application/json"}, body)
        if not self._client.is_confidential(request.url):
            raise ConfigInvalid("An endpoint of the provider is not https; nobody signs in through it.")
        try:
            answer = await exchange(self._client, request, _LIMITS)
        except NodeError as error:
            raise StoreUnavailable(f"The provider cannot be reached: {error.message}") from None
        content, _ = answer.content()
        return content if answer.status == _OK else None

    def _provider(self, name: str) -> Provider:
        if name not in self._providers:
            allowed = ", ".join(self.names) or "none; set MILLRACE_OIDC"
            raise NotFound(f"There is no sign-in provider '{name[:64]}'. Allowed: {allowed}.")
        return self._providers[name]


def _signs(key: Any) -> bool:
    """A public key for signatures; symmetric ones have no business there."""
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
