"""Passwords to tokens, refresh tokens to the next ones, and API keys to tokens of machines.

Refresh tokens rotate (RFC 9700 §4.14.2): each is used once. A second use means that somebody copied it, so that the
family ends, and both have to sign in again.

Guessing is slowed down by e-mail address, with an account or without, so that the wait tells nobody which there are.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import InvalidParameter, TooManyRequests, Unauthenticated
from shared.identity.api_keys import digest_of
from shared.identity.oidc import Person
from shared.identity.permissions import granted
from shared.identity.records import RefreshToken, User
from shared.identity.signing_in import REFUSED, Access
from shared.ids import new_id

ACCESS_SECONDS = 15 * 60
REFRESH_LIFETIME = timedelta(days=30)
FREE_FAILURES = 5
LONGEST_WAIT = timedelta(minutes=15)
FORGET_AFTER = timedelta(days=1)
WRONG = "The e-mail address or the password is wrong."
MIN_PASSWORD, MAX_PASSWORD = 12, 200


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gives."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, with what, and how many failures in a row came before."""

    user_id: str
    tokens: Tokens
    failures: int = 0


async def log_in(access: Access, email: str, password: str) -> SignedIn:
    """Tokens for a password. An unknown address takes as much work and gets the same answer as a wrong password.

    Raises:
        Unauthenticated: wrong.
        TooManyRequests: wrong too often.
    """
    now, subject = access.clock.now(), digest_of(email.lower())
    failures = await _slow_down(access, subject, now)
    await access.sessions.failed(subject, now, FORGET_AFTER)  # before the work, so that many at once all count
    user = await access.members.user_by_email(email)
    active = user if user is not None and user.disabled_at is None else None
    if not await access.passwords.matches(password, active.password_hash if active else None) or active is None:
        raise Unauthenticated(WRONG)
    await access.sessions.succeeded(subject)
    return SignedIn(active.id, await _tokens(access, active.id, new_id()), failures)


async def vouched(access: Access, user_id: str, session_id: str) -> SignedIn:
    """Tokens for a user whom a provider vouched for, once for each `session_id`, which becomes their family.

    A second time means that somebody copied the code, so that the first one's tokens end, too (RFC 6749 §4.1.2).

    Raises:
        Unauthenticated: they may not come in any more; or it is the second time.
    """
    user = await access.members.user(user_id)
    if user is None or user.disabled_at is not None:
        raise Unauthenticated(REFUSED)
    return SignedIn(user.id, await _tokens(access, user.id, session_id, first=True))


async def recognised(access: Access, person: Person) -> User:
    """Whom a provider means: by its own name for them or, at the first sign-in, by their verified address.

    From then on the address alone lets nobody in: who gets somebody's old address does not get their account.

    Raises:
        Unauthenticated: nobody here, or somebody else's address.
    """
    user = await access.members.user_at(person.issuer, person.subject)
    if user is None:
        user = await access.members.user_by_email(person.email)
        if user is not None and not await access.members.bind(
            person.issuer, person.subject, user.id, access.clock.now()
        ):
            raise Unauthenticated(
                f"The account '{person.email}' belongs to somebody else at this provider. If that was you, under "
                "another account there, ask an admin to forget it: DELETE /api/members/{user_id}/identities."
            )
    if user is None or user.disabled_at is not None:
        raise Unauthenticated(f"'{person.email}' has no account here. Ask an admin to add you: POST /api/members.")
    return user


async def refresh(access: Access, text: str) -> Tokens:
    """The next tokens of a family.

    Raises:
        Unauthenticated: unknown, expired or revoked; used before: then its family is revoked.
    """
    now = access.clock.now()
    token, first = await access.sessions.use(digest_of(text), now)
    if token is None or not first or token.revoked_at is not None or token.expires_at <= now:
        raise Unauthenticated(REFUSED)
    user = await access.members.user(token.user_id)
    if user is None or user.disabled_at is not None:
        raise Unauthenticated(REFUSED)
    return await _tokens(access, user.id, token.family_id)


async def log_out(access: Access, text: str) -> None:
    """Ends the family of a refresh token; of an unknown one there is nothing to end."""
    now = access.clock.now()
    token, _ = await access.sessions.use(digest_of(text), now)
    if token is not None:
        await access.sessions.revoke_family(token.family_id, now)


async def machine_token(access: Access, prefix: str, secret: str, scope: str | None) -> tuple[str, str]:
    """The client-credentials grant (RFC 6749 §4.4): a key's prefix and secret give an access token, and its scope.

    Raises:
        Unauthenticated: the key is not valid.
        InvalidParameter: the scope is more than the key has.
    """
    key = await access.valid_key(f"mr_{prefix}_{secret}")
    has = granted(key.scopes)
    wanted = has if scope is None else frozenset(scope.split())
    if lacking := sorted(wanted - has):
        raise InvalidParameter(f"The key does not have the scope '{lacking[0][:64]}'. It has: {' '.join(sorted(has))}.")
    words = " ".join(sorted(wanted))
    return await access.tokens.sign({"sub": key.prefix, "kind": "service", "scope": words}), words


async def _slow_down(access: Access, subject: str, now: datetime) -> int:
    """How many failures there were."""
    attempts = await access.sessions.attempts(subject)
    if attempts is None or attempts.failures < FREE_FAILURES:
        return attempts.failures if attempts is not None else 0
    wait = min(timedelta(seconds=2 ** min(attempts.failures - FREE_FAILURES, 10)), LONGEST_WAIT)
    left = (attempts.last_failed_at + wait - now).total_seconds()
    if left > 0:
        words = f"Too many failed logins with this address. Try again in {int(left) + 1} s."
        raise TooManyRequests(words, retry_after_seconds=int(left) + 1)
    return attempts.failures


async def _tokens(access: Access, user_id: str, family_id: str, *, first: bool = False) -> Tokens:
    now, text = access.clock.now(), f"mrr_{secrets.token_urlsafe(32)}"
    token_id = family_id if first else new_id()
    kept = RefreshToken(token_id, family_id, user_id, digest_of(text), now, now + REFRESH_LIFETIME)
    if not await access.sessions.keep(kept):
        raise Unauthenticated(REFUSED)
    return Tokens(await access.tokens.sign({"sub": user_id, "kind": "user"}), text)
