"""Signing in through a real OpenID Connect provider, and everything that one can get wrong on the way."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr

from functions.api.app import create_app
from shared.adapters.http.client import GuardedClient
from shared.adapters.http.oidc import HttpOidcProviders, _signs
from shared.egress import EgressPolicy
from shared.errors import ConfigInvalid
from shared.identity.oidc import PRESETS, Asked, Code, challenge_of, providers, seal
from shared.identity.permissions import Role
from shared.identity.records import Membership, User
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import BASE_URL, Doors, assert_problem
from tests.support import oidc_provider
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.support.stores import now

BACK = "http://127.0.0.1:4711/back"
VERIFIER = token_urlsafe(48)
OTHER = RSAKey.generate_key(2048, {"kid": "k1"})


@dataclass
class Browser:
    """A person at a browser, with the provider and the API that they go between."""

    client: httpx.AsyncClient
    provider: Provider
    doors: Doors
    user: User

    async def begin(self, **query: str) -> httpx.Response:
        query = {"redirect": BACK, "challenge": challenge_of(VERIFIER), **query}
        return await self.client.get("/auth/oidc/acme", params=query)

    async def at_provider(self, location: str) -> str:
        """What the provider sends the browser back to."""
        async with httpx.AsyncClient(trust_env=False) as elsewhere:
            answer = await elsewhere.get(location)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def come_back(self) -> httpx.Response:
        begun = await self.begin()
        assert begun.status_code == 303, begun.text
        return await self.client.get(await self.at_provider(begun.headers["location"]))

    async def tokens(self, code: str, verifier: str = VERIFIER) -> httpx.Response:
        return await self.client.post("/api/auth/oidc", json={"code": code, "verifier": verifier})


@pytest.fixture
async def browser(doors: Doors) -> AsyncIterator[Browser]:
    members = doors.stores.access.members
    user = User(new_id(), f"{new_id()}@example.org", "Ada", None, now())
    await members.create_user(user)
    await members.put_membership(Membership(DEFAULT_PROJECT_ID, user.id, Role.VIEWER, now()))
    async with (
        oidc_provider.serving(f"{BASE_URL}/auth/oidc/callback") as provider,
        GuardedClient(EgressPolicy.parse("127.0.0.1")) as guarded,
    ):
        provider.claims |= {"email": user.email, "sub": new_id()}
        config = [{"name": "acme", "issuer": provider.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}]
        oidc = HttpOidcProviders(guarded, providers(SecretStr(json.dumps(config))))
        app = create_app(replace(doors.api_app.state.deps, oidc=oidc))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            yield Browser(client, provider, doors, user)


def code_in(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(f"{BACK}?code=")
    return parse_qs(urlsplit(location).query)["code"][0]


async def test_a_person_signs_in(browser: Browser):
    names = (await browser.client.get("/api/auth/providers")).json()

    answer = await browser.tokens(code_in(await browser.come_back()))

    assert names == {"providers": ["acme"]}
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    me = (await browser.client.get("/api/me", headers=headers)).json()
    assert (me["kind"], me["id"]) == ("user", browser.user.id)
    log = (await browser.doors.api.get("/api/audit", params={"actor_id": browser.user.id})).json()["items"]
    assert [each["action"] for each in log] == ["session.started"]


async def test_a_code_is_good_once_and_the_second_use_ends_what_the_first_began(browser: Browser):
    code = code_in(await browser.come_back())

    first, second = await browser.tokens(code), await browser.tokens(code)

    assert first.status_code == 200, first.text
    assert_problem(second, 401, "auth.unauthenticated")
    refreshed = await browser.client.post("/api/auth/refresh", json={"refresh_token": first.json()["refresh_token"]})
    assert_problem(refreshed, 401, "auth.unauthenticated")


async def test_of_many_uses_of_a_code_at_once_one_counts(browser: Browser):
    code = code_in(await browser.come_back())

    answers = await asyncio.gather(*(browser.tokens(code) for _ in range(8)))

    assert sorted(each.status_code for each in answers) == [200, *[401] * 7]


async def test_who_gets_somebodys_address_does_not_get_their_account(browser: Browser):
    mine = dict(browser.provider.claims)
    assert (await browser.come_back()).status_code == 303

    browser.provider.claims |= {"sub": "another"}
    taken = await browser.come_back()
    browser.provider.claims |= {"sub": mine["sub"], "email": f"{new_id()}@example.org"}
    moved = await browser.come_back()

    assert_problem(taken, 401, "auth.unauthenticated")
    assert "DELETE /api/members/{user_id}/identities" in taken.json()["detail"]
    assert moved.status_code == 303, "a new address at the provider is no new person"
    forgotten = await browser.doors.api.delete(f"/api/members/{browser.user.id}/identities")
    assert forgotten.status_code == 204, forgotten.text
    browser.provider.claims |= {"sub": "another", "email": mine["email"]}
    assert (await browser.come_back()).status_code == 303


async def test_what_goes_to_the_provider_and_what_stays_in_the_browser(browser: Browser):
    begun = await browser.begin()

    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] != challenge_of(VERIFIER), "the provider's challenge is the server's own"
    assert len(asked["nonce"]) >= 32
    cookie = begun.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/auth/oidc" in cookie
    assert VERIFIER not in begun.headers["location"]


class GitHub:
    """GitHub on a server of one's own: real HTTP, its paths, its way to refuse with 200."""

    def __init__(self) -> None:
        self.emails: list[dict[str, Any]] = []
        self.asked: dict[str, str] = {}
        self.url = ""
        self.id = secrets.randbelow(10**12)

    async def authorize(self, request: web.Request) -> web.Response:
        self.asked = dict(request.query)
        raise web.HTTPFound(f"{self.asked['redirect_uri']}?{urlencode({'code': 'c0de', 'state': self.asked['state']})}")

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        proven = challenge_of(str(form["code_verifier"])) == self.asked["code_challenge"]
        right = (form["client_id"], form["client_secret"], form["code"]) == (CLIENT_ID, CLIENT_SECRET, "c0de")
        if not (proven and right):
            return web.json_response({"error": "bad_verification_code"})
        return web.json_response({"access_token": "gho_tested", "token_type": "bearer"})

    async def api(self, request: web.Request) -> web.Response:
        if request.headers["authorization"] != "Bearer gho_tested":
            return web.json_response({"message": "Bad credentials"}, status=401)
        return web.json_response(self.emails if request.path.endswith("emails") else {"id": self.id, "login": "ada"})


@pytest.fixture
async def github(browser: Browser) -> AsyncIterator[GitHub]:
    """The browser signs in through GitHub from here on."""
    service, app = GitHub(), web.Application()
    app.router.add_get("/login/oauth/authorize", service.authorize)
    app.router.add_post("/login/oauth/access_token", service.token)
    app.router.add_get("/api/v3/user", service.api)
    app.router.add_get("/api/v3/user/emails", service.api)
    async with TestServer(app, host="127.0.0.1") as server, GuardedClient(EgressPolicy.parse("127.0.0.1")) as guarded:
        service.url = f"http://127.0.0.1:{server.port}"
        service.emails = [
            {"email": "other@example.org", "primary": False, "verified": True},
            {"email": browser.user.email.upper(), "primary": True, "verified": True},
        ]
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        config = [{"name": "acme", "kind": "github", "issuer": service.url, **client}]
        oidc = HttpOidcProviders(guarded, providers(SecretStr(json.dumps(config))))
        app_ = create_app(replace(browser.doors.api_app.state.deps, oidc=oidc))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app_), base_url=BASE_URL) as browser.client:
            yield service


async def test_a_person_signs_in_through_github(browser: Browser, github: GitHub):
    answer = await browser.tokens(code_in(await browser.come_back()))

    assert answer.status_code == 200, answer.text
    assert github.asked["scope"] == "user:email"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await browser.client.get("/api/me", headers=headers)).json()["id"] == browser.user.id


@pytest.mark.parametrize("spoil", ["nothing verified", "nothing", "not the primary one", "another code"])
async def test_github_has_to_vouch_for_the_primary_address(browser: Browser, github: GitHub, spoil: str):
    mine = github.emails[1]
    if spoil == "another code":
        begun = await browser.begin()
        back = (await browser.at_provider(begun.headers["location"])).replace("c0de", "other")
        answer = await browser.client.get(back)
    else:
        github.emails = {
            "nothing verified": [mine | {"verified": False}],
            "nothing": [],
            "not the primary one": [mine | {"primary": False}],
        }[spoil]
        answer = await browser.come_back()
    assert_problem(answer, 401, "auth.unauthenticated")


def test_github_needs_a_name_and_its_client_only():
    found = providers(SecretStr('[{"name": "github", "client_id": "c", "client_secret": "s"}]'))["github"]
    assert (found.kind, found.issuer, found.scope) == ("github", "https://github.com", "user:email")


def rewritten(token: str, key: Any, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """The same claims, but for `changes`, signed with `key`."""
    body = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    claims = {name: value for name, value in {**body, **changes}.items() if value is not None}
    head = {"alg": "RS256", "kid": "k1", **(header or {})}
    return jwt.encode({k: v for k, v in head.items() if v is not None}, claims, key, algorithms=[head["alg"]])


def by_hand(token: str, header: dict[str, Any], key: bytes | None) -> str:
    body = token.split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    signature = hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest() if key else b""
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


Forge = Callable[[Provider, str], str]
FORGED: dict[str, Forge] = {
    "signed by another key": lambda p, t: rewritten(t, OTHER),
    "an unknown kid": lambda p, t: rewritten(t, p.key, header={"kid": "k2"}),
    "no kid": lambda p, t: rewritten(t, p.key, header={"kid": None}),
    "a number as the kid": lambda p, t: by_hand(t, {"alg": "RS256", "kid": 7}, b"x"),
    "a path as the kid": lambda p, t: rewritten(t, OTHER, header={"kid": "../../dev/null"}),
    "its own key in the header": lambda p, t: by_hand(
        t, {"alg": "RS256", "kid": "k1", "jwk": OTHER.as_dict(private=False)}, b"x"
    ),
    "a jku": lambda p, t: by_hand(t, {"alg": "RS256", "kid": "k1", "jku": "http://127.0.0.1/jwks"}, b"x"),
    "no algorithm": lambda p, t: by_hand(t, {"alg": "none", "kid": "k1"}, None),
    "an HMAC with the public key": lambda p, t: by_hand(t, {"alg": "HS256", "kid": "k1"}, p.key.as_pem(private=False)),
    "another issuer": lambda p, t: rewritten(t, p.key, iss="http://127.0.0.1:1"),
    "another client": lambda p, t: rewritten(t, p.key, aud="somebody-else"),
    "several audiences": lambda p, t: rewritten(t, p.key, aud=[CLIENT_ID, "somebody-else"]),
    "authorised for another client": lambda p, t: rewritten(t, p.key, azp="somebody-else"),
    "another nonce": lambda p, t: rewritten(t, p.key, nonce="another"),
    "no nonce": lambda p, t: rewritten(t, p.key, nonce=None),
    "expired": lambda p, t: rewritten(t, p.key, exp=int(time.time()) - 60),
    "no expiry": lambda p, t: rewritten(t, p.key, exp=None),
    "issued in the future": lambda p, t: rewritten(t, p.key, iat=int(time.time()) + 600),
    "no subject": lambda p, t: rewritten(t, p.key, sub=None),
    "an address that nobody verified": lambda p, t: rewritten(t, p.key, email_verified=False),
    "verified, in words": lambda p, t: rewritten(t, p.key, email_verified="true"),
    "no address": lambda p, t: rewritten(t, p.key, email=None),
    "cut short": lambda p, t: t.rsplit(".", 1)[0],
    "no token": lambda p, t: "",
    "words": lambda p, t: "let me in",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_wrong_id_token_is_refused(browser: Browser, name: str):
    browser.provider.tamper = lambda token: FORGED[name](browser.provider, token)

    problem = assert_problem(await browser.come_back(), 401, "auth.unauthenticated")

    assert "does not prove who you are" in problem["detail"]


async def test_the_same_claims_signed_rightly_are_taken(browser: Browser):
    browser.provider.tamper = lambda token: rewritten(token, browser.provider.key)

    assert code_in(await browser.come_back())


async def test_another_browser_cannot_finish_a_sign_in(browser: Browser):
    location = await browser.at_provider((await browser.begin()).headers["location"])
    browser.client.cookies.clear()

    assert_problem(await browser.client.get(location), 401, "auth.unauthenticated")


async def test_a_provider_s_code_is_good_once(browser: Browser):
    location = await browser.at_provider((await browser.begin()).headers["location"])
    cookies = dict(browser.client.cookies)
    assert code_in(await browser.client.get(location))
    browser.client.cookies.update(cookies)

    again = await browser.client.get(location, headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})

    assert_problem(again, 401, "auth.unauthenticated")


@pytest.mark.parametrize("change", ["", "x", "cut", "code", "old"])
async def test_a_state_that_is_not_the_one_is_refused(browser: Browser, change: str):
    begun = await browser.begin()
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    secrets = browser.doors.stores.secrets
    old = Asked("acme", "n", "v", BACK, challenge_of(VERIFIER), f"{BASE_URL}/auth/oidc/callback", time.time() - 1)
    states = {"cut": state[:-9], "code": seal(secrets, Code(browser.user.id, new_id(), "c", time.time() + 60))}
    states["old"] = seal(secrets, old)

    answer = await browser.client.get("/auth/oidc/callback", params={"state": states.get(change, change), "code": "c"})

    assert_problem(answer, 401, "auth.unauthenticated")


async def test_who_has_no_account_gets_none_by_signing_in(browser: Browser):
    browser.provider.claims["email"] = f"{new_id()}@example.org"

    problem = assert_problem(await browser.come_back(), 401, "auth.unauthenticated")

    assert "Ask an admin" in problem["detail"]


async def test_a_code_needs_the_verifier_that_it_began_with(browser: Browser):
    code = code_in(await browser.come_back())
    secrets = browser.doors.stores.secrets
    late = seal(secrets, Code(browser.user.id, new_id(), challenge_of(VERIFIER), time.time() - 1))

    for wrong in (await browser.tokens(code, token_urlsafe(48)), await browser.tokens(late), await browser.tokens("x")):
        assert_problem(wrong, 401, "auth.unauthenticated")
    assert (await browser.tokens(code)).status_code == 200


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "http://127.0.0.1@evil.example/",
        "http://evil.example:80/127.0.0.1",
        "javascript:alert(1)",
        "http://127.0.0.1:1/#x",
        "",
    ],
)
async def test_codes_go_to_no_other_place(browser: Browser, redirect: str):
    assert_problem(await browser.begin(redirect=redirect), 422, "request.parameter_invalid")


async def test_an_unknown_provider_and_one_that_is_away(browser: Browser):
    unknown = await browser.client.get(
        "/auth/oidc/other", params={"redirect": BACK, "challenge": challenge_of(VERIFIER)}
    )
    assert_problem(unknown, 404, "resource.not_found")
    browser.provider.url = "http://127.0.0.1:1"

    assert_problem(await browser.begin(), 500, "platform.config_invalid")


def test_presets_and_mistakes_in_the_setting():
    found = providers(SecretStr('[{"name": "google", "client_id": "c"}]'))

    assert found["google"].issuer == PRESETS["google"]
    assert providers(None) == {}
    with pytest.raises(ConfigInvalid, match="issuer") as error:
        providers(SecretStr('[{"name": "okta", "client_id": "c", "client_secret": "hunter2"}]'))
    assert "hunter2" not in str(error.value)


def test_a_symmetric_key_of_a_provider_is_not_used():
    assert not _signs(OctKey.generate_key(256, {"kid": "k1"}).as_dict())
    assert not _signs({"kty": "RSA", "use": "enc"})
    assert _signs(OTHER.as_dict(private=False))
