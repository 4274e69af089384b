"""Signing in through an OpenID Connect provider: which there are, and what goes round through the browser.

Source: OpenID Connect Core 1.0, 3.1 (authorization code); RFC 7636 (PKCE); RFC 9700 (what goes wrong with it).

Whoever signs in begins with a PKCE challenge of their own and a place to come back to, and gets a code there that only
their verifier turns into tokens. The provider's answer counts only in the browser that was sent to it (a cookie), for
the question that was asked (state and nonce, sealed), and with a verifier that never leaves the server.
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, model_validator

from shared.errors import ConfigInvalid, InvalidParameter, Unauthenticated
from shared.ports import SecretBox

ASKED_LASTS = timedelta(minutes=10)
CODE_LASTS = timedelta(seconds=60)
CALLBACK = "/auth/oidc/callback"
PRESETS = {"google": "https://accounts.google.com", "gitlab": "https://gitlab.com", "github": "https://github.com"}
"""Issuers that are the same for everybody. Okta, Auth0, Cognito and Entra ID give each customer their own."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_Sealed = TypeVar("_Sealed", "Asked", "Code")


class Provider(BaseModel):
    """One provider of `MILLRACE_OIDC`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    kind: Literal["oidc", "github"] = "oidc"
    """GitHub, also on a server of one's own, has no ID tokens; see shared/adapters/http/github.py."""
    issuer: str = Field(pattern=r"^https?://[^\s?#]+$", max_length=500)
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None
    scope: str = "openid email profile"

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        name = given.get("name")
        kind = {"kind": "github"} if name == "github" else {}
        scope = {"scope": "user:email"} if {**kind, **given}.get("kind") == "github" else {}
        issuer = {"issuer": PRESETS[name]} if name in PRESETS else {}
        return {**kind, **scope, **issuer, **given}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser was sent to a provider with; goes round as `state`, sealed."""

    provider: str
    nonce: str
    verifier: str
    redirect: str
    """Where whoever began wants the code."""
    challenge: str
    callback: str
    until: float


@dataclass(frozen=True, slots=True)
class Code:
    """Proves once and for a minute, together with the verifier of `challenge`, that a user signed in."""

    user_id: str
    session_id: str
    challenge: str
    until: float


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    """The provider's own name for them, which never changes and never becomes another's (OpenID Connect Core, 5.7)."""
    email: str


def providers(config: SecretStr | None) -> dict[str, Provider]:
    """The providers of the setting, a JSON array, by name. Raises ConfigInvalid, without the secrets."""
    if config is None:
        return {}
    try:
        found = TypeAdapter(list[Provider]).validate_json(config.get_secret_value())
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigInvalid(
            f"MILLRACE_OIDC is not valid: {'; '.join(lines)}. It is a JSON array of objects with name, issuer, "
            "client_id and client_secret."
        ) from None
    return {each.name: each for each in found}


def challenge_of(verifier: str) -> str:
    """The S256 challenge (RFC 7636, 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def check_redirect(redirect: str) -> None:
    """Raises InvalidParameter: a code goes to a program on one's own machine (RFC 8252, 7.3), or to our pages."""
    parts = urlsplit(redirect)
    ours = redirect.startswith("/") and not redirect.startswith(("//", "/\\")) and not parts.netloc
    own_machine = parts.scheme == "http" and parts.hostname in _LOOPBACK and "@" not in parts.netloc
    if not (ours or own_machine) or parts.fragment:
        raise InvalidParameter(
            f"redirect is '{redirect[:100]}'. Allowed: http://127.0.0.1:<port>/… of a program that waits there, or a "
            "path of this server.",
            parameter="redirect",
        )


def seal(box: SecretBox, what: Asked | Code) -> str:
    """As it goes through the browser: nobody can read or change it, or pass one kind off as the other."""
    return box.encrypt(orjson.dumps({"kind": type(what).__name__, **asdict(what)}).decode()).decode()


def unseal(box: SecretBox, text: str, kind: type[_Sealed], now: datetime) -> _Sealed:
    """What was sealed. Raises Unauthenticated where it was changed, is of another kind, or too old."""
    try:
        fields = orjson.loads(box.decrypt(text.encode()))
        found = {Asked.__name__: Asked, Code.__name__: Code}[fields.pop("kind")](**fields)
    except (ConfigInvalid, TypeError, KeyError, AttributeError, UnicodeEncodeError, orjson.JSONDecodeError):
        found = None
    if not isinstance(found, kind):
        raise Unauthenticated("This sign-in is not valid: it was changed, or cut short. Begin again.")
    if now > datetime.fromtimestamp(found.until, UTC):
        raise Unauthenticated("This sign-in took too long. Begin again.")
    return found
