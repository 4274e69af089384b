"""Access tokens: every way that one can be wrong is refused, and in the same words."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from shared.adapters.tokens import AUDIENCE, ISSUER, LIFETIME, JwtTokens
from shared.clock import SystemClock
from shared.identity.permissions import Role
from shared.identity.records import Membership, User
from shared.identity.signing_in import REFUSED
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import Doors, assert_problem
from tests.support.stores import now


class Mint:
    """Makes tokens, right ones and wrong ones, with the real signing key or another."""

    def __init__(self, user: User, kid: str, key: Ed25519PrivateKey) -> None:
        self.kid, self.key, self.user = kid, key, user

    def claims(self, **changes: Any) -> dict[str, Any]:
        at = now()
        base = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": self.user.id,
            "kind": "user",
            "jti": new_id(),
            "iat": at,
            "nbf": at,
            "exp": at + LIFETIME,
        }
        return {name: value for name, value in {**base, **changes}.items() if value is not None}

    def token(self, key: Any = None, alg: str = "EdDSA", header: dict[str, Any] | None = None, **claims: Any) -> str:
        head = {"kid": self.kid, "typ": "at+jwt", **(header or {})}
        return jwt.encode(self.claims(**claims), key or self.key, alg, {k: v for k, v in head.items() if v != ""})

    def by_hand(self, header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
        """As an attacker writes it, who does not ask a library."""
        times = {name: int(self.claims()[name].timestamp()) for name in ("iat", "nbf", "exp")}
        parts = [encoded(json.dumps(each).encode()) for each in (header, self.claims(**times))]
        return ".".join([*parts, encoded(sign(".".join(parts).encode()))])

    @property
    def public_pem(self) -> bytes:
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, spki)

    @property
    def public_raw(self) -> bytes:
        return self.key.public_key().public_bytes_raw()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hs256(key: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.new(key, data, hashlib.sha256).digest()


def changed(token: str, part: int, change: Callable[[str], str]) -> str:
    parts = token.split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


def with_claim(token: str, **claims: Any) -> str:
    """Other claims under the old signature."""

    def rewrite(part: str) -> str:
        body = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return encoded(json.dumps({**body, **claims}).encode())

    return changed(token, 1, rewrite)


OTHER = Ed25519PrivateKey.generate()
HOUR = timedelta(hours=1)
HEAD = {"typ": "at+jwt", "alg": "EdDSA"}
OWN_JWK = {"kty": "OKP", "crv": "Ed25519", "x": encoded(OTHER.public_key().public_bytes_raw())}

REFUSED_TOKENS: dict[str, Callable[[Mint], str]] = {
    "no algorithm": lambda m: m.by_hand({**HEAD, "alg": "none", "kid": m.kid}, lambda _: b""),
    "no algorithm, in capitals": lambda m: m.by_hand({**HEAD, "alg": "NONE", "kid": m.kid}, lambda _: b""),
    "HS256 with the public key as PEM": lambda m: m.by_hand(
        {**HEAD, "alg": "HS256", "kid": m.kid}, hs256(m.public_pem)
    ),
    "HS256 with the public key as bytes": lambda m: m.by_hand(
        {**HEAD, "alg": "HS256", "kid": m.kid}, hs256(m.public_raw)
    ),
    "EdDSA in the header over an HMAC": lambda m: m.by_hand({**HEAD, "kid": m.kid}, hs256(m.public_raw)),
    "HS256 with an empty key": lambda m: m.by_hand({**HEAD, "alg": "HS256", "kid": m.kid}, hs256(b"")),
    "RS256 with a key of one's own": lambda m: m.token(rsa.generate_private_key(65537, 2048), "RS256"),
    "ES256 with a key of one's own": lambda m: m.token(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "another Ed25519 key": lambda m: m.token(OTHER),
    "an unknown kid": lambda m: m.token(header={"kid": new_id()}),
    "no kid": lambda m: m.token(header={"kid": ""}),
    "SQL in the kid": lambda m: m.token(OTHER, header={"kid": "' UNION SELECT 'x' --"}),
    "a path in the kid": lambda m: m.by_hand({**HEAD, "kid": "../../../dev/null"}, OTHER.sign),
    "a number as the kid": lambda m: m.by_hand({**HEAD, "kid": 7}, m.key.sign),
    "a list as the kid": lambda m: m.by_hand({**HEAD, "kid": [m.kid]}, m.key.sign),
    "its own key in jwk": lambda m: m.token(OTHER, header={"jwk": OWN_JWK}),
    "a true signature with a jwk": lambda m: m.token(header={"jwk": OWN_JWK}),
    "a jku": lambda m: m.token(header={"jku": "https://evil.example/jwks.json"}),
    "an x5u": lambda m: m.token(header={"x5u": "https://evil.example/cert.pem"}),
    "an x5c": lambda m: m.token(header={"x5c": ["MIIB"]}),
    "a crit header": lambda m: m.by_hand({**HEAD, "kid": m.kid, "crit": ["exp"]}, m.key.sign),
    "an unencoded payload": lambda m: m.by_hand({**HEAD, "kid": m.kid, "b64": False, "crit": ["b64"]}, m.key.sign),
    "the type of an id token": lambda m: m.token(header={"typ": "JWT"}),
    "no type": lambda m: m.by_hand({"alg": "EdDSA", "kid": m.kid}, m.key.sign),
    "expired": lambda m: m.token(iat=now() - HOUR, nbf=now() - HOUR, exp=now() - timedelta(seconds=1)),
    "no expiry": lambda m: m.token(exp=None),
    "an expiry that is no number": lambda m: m.token(exp="tomorrow"),
    "not valid yet": lambda m: m.token(nbf=now() + HOUR, exp=now() + 2 * HOUR),
    "issued in the future": lambda m: m.token(iat=now() + HOUR, exp=now() + 2 * HOUR),
    "another audience": lambda m: m.token(aud="another-api"),
    "several audiences": lambda m: m.token(aud=[AUDIENCE, "another-api"]),
    "no audience": lambda m: m.token(aud=None),
    "another issuer": lambda m: m.token(iss="https://evil.example"),
    "no issuer": lambda m: m.token(iss=None),
    "no subject": lambda m: m.token(sub=None),
    "a subject that is nobody": lambda m: m.token(sub=new_id()),
    "a subject that is no id": lambda m: m.token(sub="' OR 1=1 --"),
    "no token id": lambda m: m.token(jti=None),
    "no kind": lambda m: m.token(kind=None),
    "another kind": lambda m: m.token(kind="owner"),
    "a list as the kind": lambda m: m.token(kind=["user"]),
    "a machine without a scope": lambda m: m.token(kind="service", sub="a" * 12),
    "a machine whose key is unknown": lambda m: m.token(kind="service", sub="a" * 12, scope="workflows:read"),
    "another subject under the old signature": lambda m: with_claim(m.token(), sub=new_id()),
    "a later expiry under the old signature": lambda m: with_claim(m.token(), exp=4_000_000_000),
    "a changed signature": lambda m: changed(m.token(), 2, lambda part: encoded(bytes(64))),
    "a cut signature": lambda m: changed(m.token(), 2, lambda part: part[:-4]),
    "no signature": lambda m: changed(m.token(), 2, lambda part: ""),
    "two parts": lambda m: m.token().rsplit(".", 1)[0],
    "four parts": lambda m: m.token() + ".e30",
    "a header that is no JSON": lambda m: changed(m.token(), 0, lambda part: encoded(b"{")),
    "a header that is a list": lambda m: changed(m.token(), 0, lambda part: encoded(b"[]")),
    "a payload that is a list": lambda m: changed(m.token(), 1, lambda part: encoded(b"[]")),
    "not base64": lambda m: changed(m.token(), 1, lambda part: "%%%"),
    "too long": lambda m: m.token(padding="x" * 5000),
    "words": lambda m: "let-me-in",
}


@pytest.fixture
async def mint(doors: Doors) -> Mint:
    access = doors.stores.access
    user = User(new_id(), f"{new_id()}@example.org", "Ada", None, now())
    await access.members.create_user(user)
    await access.members.put_membership(Membership(DEFAULT_PROJECT_ID, user.id, Role.VIEWER, now()))
    if not await access.sessions.signing_keys():
        await access.tokens.rotate()
    newest = (await access.sessions.signing_keys())[0]
    private = bytes.fromhex(doors.stores.secrets.decrypt(newest.sealed))
    return Mint(user, newest.kid, Ed25519PrivateKey.from_private_bytes(private))


async def me(doors: Doors, token: str):
    return await doors.api.get("/api/me", headers={"Authorization": f"Bearer {token}"})


async def test_a_right_token_lets_in(doors: Doors, mint: Mint):
    answer = await me(doors, mint.token())

    assert answer.status_code == 200
    assert (answer.json()["kind"], answer.json()["id"]) == ("user", mint.user.id)
    by_hand = await me(doors, mint.by_hand({**HEAD, "kid": mint.kid}, mint.key.sign))
    assert by_hand.status_code == 200, (
        "the tokens below are refused for what is wrong in them, not for how they are made"
    )


@pytest.mark.parametrize("name", REFUSED_TOKENS)
async def test_a_wrong_token_is_refused(doors: Doors, mint: Mint, name: str):
    problem = assert_problem(await me(doors, REFUSED_TOKENS[name](mint)), 401, "auth.unauthenticated")

    assert problem["detail"] == REFUSED


async def test_keys_rotate_and_old_tokens_last_as_long_as_they_live(doors: Doors, mint: Mint):
    access = doors.stores.access
    tokens = access.tokens
    assert isinstance(tokens, JwtTokens)
    old = await tokens.sign({"sub": mint.user.id, "kind": "user"})

    kid = await tokens.rotate()

    new = await tokens.sign({"sub": mint.user.id, "kind": "user"})
    assert jwt.get_unverified_header(new)["kid"] == kid
    assert [(await me(doors, each)).status_code for each in (old, new)] == [200, 200]
    published = (await doors.api.get("/.well-known/jwks.json")).json()["keys"]
    assert [each["kid"] for each in published][:2] == [kid, mint.kid]
    assert all("d" not in each for each in published), "no private key is published"
    elsewhere = JwtTokens(access.sessions, doors.stores.secrets, SystemClock())
    assert (await elsewhere.verify(new))["sub"] == mint.user.id
    await access.sessions.retire_signing_keys(now() + timedelta(seconds=1), now())
    fresh = JwtTokens(access.sessions, doors.stores.secrets, SystemClock())
    with pytest.raises(Exception, match="not valid"):
        await fresh.verify(old)


async def test_a_key_signs_for_thirty_days_and_then_the_next_one_does(doors: Doors, mint: Mint):
    access, subject = doors.stores.access, {"sub": mint.user.id, "kind": "user"}
    old = await access.tokens.sign(subject)
    async with doors.stores.engine.begin() as connection:
        await connection.execute(text("UPDATE signing_keys SET created_at = created_at - interval '30 days'"))
    later = JwtTokens(access.sessions, doors.stores.secrets, SystemClock())

    new = await later.sign(subject)

    assert jwt.get_unverified_header(new)["kid"] != jwt.get_unverified_header(old)["kid"]
    assert (await later.verify(old))["sub"] == mint.user.id
