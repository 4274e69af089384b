"""Signing in through GitHub, which speaks OAuth 2.0 but gives no ID tokens: its API says who somebody is.

Source: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps

The token comes straight from GitHub over TLS, for a code that only the verifier of this sign-in redeems (PKCE), and is
used for these two questions and then forgotten.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from shared.errors import Unauthenticated
from shared.identity.oidc import Asked, Person, Provider, challenge_of

Ask = Callable[[str, str, dict[str, str], bytes | None], Awaitable[Any]]
"""(method, url, headers, body) → the JSON that is answered; None where it is refused."""

_GITHUB, _API = "https://github.com", "https://api.github.com"
REFUSED = "GitHub's answer does not prove who you are. Begin again."


def authorize_url(provider: Provider, asked: Asked, state: str) -> str:
    """Where the browser goes."""
    wanted = {
        "client_id": provider.client_id,
        "redirect_uri": asked.callback,
        "scope": provider.scope,
        "state": state,
        "code_challenge": challenge_of(asked.verifier),
        "code_challenge_method": "S256",
    }
    return f"{provider.issuer}/login/oauth/authorize?{urlencode(wanted)}"


async def person(ask: Ask, provider: Provider, asked: Asked, code: str) -> Person:
    """Whoever the code is of, by their primary address. Raises Unauthenticated where GitHub has not verified it."""
    headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
    form = {
        "client_id": provider.client_id,
        "client_secret": provider.client_secret.get_secret_value() if provider.client_secret else "",
        "code": code,
        "redirect_uri": asked.callback,
        "code_verifier": asked.verifier,
    }
    given = await ask("POST", f"{provider.issuer}/login/oauth/access_token", headers, urlencode(form).encode())
    token = given.get("access_token") if isinstance(given, dict) else None  # a refusal is answered with 200, too
    if not isinstance(token, str):
        raise Unauthenticated(REFUSED)
    api = _API if provider.issuer == _GITHUB else f"{provider.issuer}/api/v3"
    headers = {"accept": "application/vnd.github+json", "authorization": f"Bearer {token}"}
    user, emails = await ask("GET", f"{api}/user", headers, None), await ask("GET", f"{api}/user/emails", headers, None)
    found = [each for each in emails or () if each.get("primary") is True and each.get("verified") is True]
    if not isinstance(user, dict) or not found:
        raise Unauthenticated(REFUSED)
    return Person(provider.issuer, str(user.get("id")), str(found[0].get("email")).lower())
