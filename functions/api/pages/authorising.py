"""Asking a person, in their browser, for access to a service on a connection's behalf.

Source: RFC 6749, 4.1 (authorization code), RFC 7636 (PKCE), RFC 9700 (what goes wrong with it).

Whoever can write connections gets a link to a page of ours. It says what is asked, and only after a click there is the
browser sent on, with a cookie that the answer must come back with: nobody can be made to give their access to somebody
else's connection by a link alone, neither can an answer be slipped into another browser.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from secrets import token_urlsafe
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from shared.connections.kinds import OAuth2AuthorizationCode, credentials_of
from shared.connections.records import Connection
from shared.errors import ConfigInvalid, Conflict, Unauthenticated
from shared.ports import SecretBox

LASTS = timedelta(minutes=10)
COOKIE = "millrace_authorisation"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action *; frame-ancestors 'none'; base-uri 'none'"
"""Content-Security-Policy of the pages; `form-action` also holds for where the answer to a form redirects to."""

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1.5rem}}</style><h1>{title}</h1>{body}</html>"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom; goes round as `state`, sealed."""

    project_id: str
    connection_id: str
    name: str
    url: str
    """Where the service asks the person; without state."""
    verifier: str
    redirect_uri: str
    until: float


def ask(connection: Connection, base: str, now: datetime) -> Asked:
    """A new question; its answer comes to `<base>/oauth/callback`.

    Raises:
        Conflict: the connection is of a kind that nobody has to authorise.
    """
    credentials = credentials_of(connection.public) if connection.kind == "oauth2_authorization_code" else None
    if not isinstance(credentials, OAuth2AuthorizationCode):
        raise Conflict(
            f"The connection '{connection.name}' is of the kind '{connection.kind}', which nobody has to authorise; "
            "only oauth2_authorization_code is."
        )
    verifier, redirect_uri = token_urlsafe(48), f"{base}/oauth/callback"
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    address = urlsplit(credentials.authorize_url)
    wanted = {
        **dict(parse_qsl(address.query)),
        **credentials.authorize_parameters,
        "response_type": "code",
        "client_id": credentials.client_id,
        "redirect_uri": redirect_uri,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"scope": credentials.scope} if credentials.scope else {}),
    }
    url = address._replace(query=urlencode(wanted), fragment="").geturl()
    until = (now + LASTS).timestamp()
    return Asked(connection.project_id, connection.id, connection.name, url, verifier, redirect_uri, until)


def state_of(box: SecretBox, asked: Asked) -> str:
    """The question, as it goes through the browser and the service: neither can read or change it."""
    return box.encrypt(orjson.dumps(asdict(asked)).decode()).decode()


def asked_by(box: SecretBox, state: str, now: datetime) -> Asked:
    """What `state_of` was given. Raises Unauthenticated where it was changed, or more than 10 minutes ago."""
    try:
        asked = Asked(**orjson.loads(box.decrypt(state.encode())))
    except (ConfigInvalid, TypeError, orjson.JSONDecodeError):
        raise Unauthenticated("This link is not valid: it was changed, or cut short. Ask for a new one.") from None
    if now > datetime.fromtimestamp(asked.until, UTC):
        raise Unauthenticated("This link is more than 10 minutes old. Ask for a new one.")
    return asked


def cookie_of(state: str) -> str:
    """What the browser that was asked comes back with."""
    return hashlib.sha256(state.encode()).hexdigest()


def check_cookie(state: str, cookie: str | None) -> None:
    """Raises Unauthenticated where another browser was asked."""
    if cookie is None or not hmac.compare_digest(cookie.encode(), cookie_of(state).encode()):
        raise Unauthenticated("This browser was not asked for access. Open the link in it, and begin there.")


def question(asked: Asked) -> str:
    """The page that says what is about to be asked."""
    host = escape(urlsplit(asked.url).hostname or "")
    body = (
        f"<p>The connection <strong>{escape(asked.name)}</strong> of this Millrace asks for access at "
        f"<strong>{host}</strong>. Workflows will act there in your name.</p>"
        "<p>Go on only if you, or somebody whom you trust, asked for this just now.</p>"
        f'<form method="post"><button>Continue to {host}</button></form>'
    )
    return _PAGE.format(title="Give access", body=body)


def told(title: str, words: str) -> str:
    """The page that says what came of it."""
    return _PAGE.format(title=escape(title), body=f"<p>{escape(words)}</p>")
