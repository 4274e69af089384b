"""AccessTokens as JSON Web Tokens, signed with Ed25519.

Sources: RFC 7519 (JWT), RFC 8037 (EdDSA), RFC 9068 (access tokens: `typ` is `at+jwt`), RFC 8725 (what goes wrong).
A token whose header says anything but `alg`, `typ` and `kid` is refused before its signature is looked at: `jku`, `x5u`
and `jwk` would choose the key, `crit` would ask for what is not built.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from shared.clock import Clock
from shared.errors import Unauthenticated
from shared.identity.records import SigningKey
from shared.identity.signing_in import REFUSED
from shared.ids import new_id
from shared.ports import SecretBox
from shared.ports.identity import AccessTokens, SessionStore

ISSUER, AUDIENCE = "millrace", "millrace-api"
ALGORITHM, TYPE = "EdDSA", "at+jwt"
LIFETIME = timedelta(minutes=15)
SIGNS_FOR = timedelta(days=30)
"""How long a key signs; then the next token is signed by a new one."""
KEYS_READ_EVERY = 30.0
"""Seconds. A retired key verifies in another process for so long at most."""
UNKNOWN_KEY_READ_EVERY = 1.0
"""Seconds between reads because of a `kid` that is not known, so that forged ones do not ask the database each time."""
MAX_LENGTH = 4096
_CLAIMS = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "kind"]
_KINDS = frozenset({"user", "service"})


class JwtTokens(AccessTokens):
    """Signs with the newest key and verifies with every one that is not retired; makes each key itself, when it is
    time."""

    def __init__(self, sessions: SessionStore, secrets: SecretBox, clock: Clock) -> None:
        self._sessions = sessions
        self._secrets = secrets
        self._clock = clock
        self._keys: dict[str, Ed25519PrivateKey] = {}
        self._signs_until = datetime.min.replace(tzinfo=UTC)
        self._read_at = float("-inf")

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """A token of 15 minutes. `claims` brings `sub` and `kind`, and `scope` where the kind is `service`."""
        now = self._clock.now()
        keys = await self._fresh()
        if now >= self._signs_until:
            keys = await self._with_new_key()
        kid, key = next(iter(keys.items()))
        times = {"iat": now, "nbf": now, "exp": now + LIFETIME}
        body = {"iss": ISSUER, "aud": AUDIENCE, "jti": new_id(), **times, **claims}
        return jwt.encode(body, key, ALGORITHM, {"kid": kid, "typ": TYPE})

    async def verify(self, token: str) -> Mapping[str, Any]:
        """The claims. Raises Unauthenticated, which says the same whatever is wrong."""
        try:
            key = await self._key_of(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public_key(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _CLAIMS, "strict_aud": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise Unauthenticated(REFUSED) from None
        kind = claims["kind"]
        if not isinstance(kind, str) or kind not in _KINDS:
            raise Unauthenticated(REFUSED)
        if kind == "service" and not isinstance(claims.get("scope"), str):
            raise Unauthenticated(REFUSED)
        return claims

    async def public_keys(self) -> Sequence[Mapping[str, Any]]:
        """As JSON Web Keys (RFC 7517), newest first."""
        keys = await self._fresh() or await self._with_new_key()
        use = {"use": "sig", "alg": ALGORITHM}
        return [{**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **use} for kid, key in keys.items()]

    async def rotate(self) -> str:
        """Signs with a new key from now on; its id. Keys that are older than every living token are retired."""
        now = self._clock.now()
        kid, private = new_id(), Ed25519PrivateKey.generate()
        await self._sessions.retire_signing_keys(await self._retired_before(), now)
        sealed = self._secrets.encrypt(private.private_bytes_raw().hex())
        await self._sessions.add_signing_key(SigningKey(kid, sealed, now))
        self._read_at = float("-inf")
        return kid

    async def _retired_before(self) -> Any:
        """The newest key still signed until now; those before it did not, once a token's life has passed since."""
        now, kept = self._clock.now(), await self._sessions.signing_keys()
        newest = kept[0].created_at if kept else now
        return newest if now - newest > LIFETIME else now - timedelta(days=36_500)

    async def _key_of(self, token: str) -> Ed25519PrivateKey:
        if len(token) > MAX_LENGTH:
            raise ValueError
        header = jwt.get_unverified_header(token)
        if header.keys() != {"alg", "typ", "kid"} or (header["alg"], header["typ"]) != (ALGORITHM, TYPE):
            raise ValueError
        keys = await self._fresh()
        if header["kid"] not in keys:
            keys = await self._fresh(UNKNOWN_KEY_READ_EVERY)
        return keys[header["kid"]]

    async def _fresh(self, seconds: float = KEYS_READ_EVERY) -> dict[str, Ed25519PrivateKey]:
        if time.monotonic() - self._read_at > seconds:
            found = await self._sessions.signing_keys()
            self._keys = {each.kid: self._opened(each) for each in found}
            if found:
                self._signs_until = found[0].created_at + SIGNS_FOR
            self._read_at = time.monotonic()
        return self._keys

    def _opened(self, key: SigningKey) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self._secrets.decrypt(key.sealed)))

    async def _with_new_key(self) -> dict[str, Ed25519PrivateKey]:
        await self.rotate()
        return await self._fresh()
