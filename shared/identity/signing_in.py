"""From a bearer's credentials to who that is. Every refusal says the same: what was wrong is in nobody's interest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.clock import Clock
from shared.errors import InvalidParameter, PermissionMissing, Unauthenticated
from shared.identity.api_keys import fits, prefix_of, use_is_news
from shared.identity.permissions import granted
from shared.identity.principal import Kind, Principal
from shared.identity.records import ApiKey
from shared.ports.identity import AccessTokens, KeyStore, MemberStore, Passwords, SessionStore

MISSING = (
    "This needs credentials. Send `Authorization: Bearer <key>` with an API key or an access token; the local stage's "
    "own key is in owner.key in its data folder."
)
REFUSED = "The credentials are not valid: unknown, expired or revoked. Sign in again, or use another key."


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who proved who they are. `grants`: project → what they may do there."""

    kind: Kind
    id: str
    grants: Mapping[str, frozenset[str]]

    def in_project(self, wanted: str | None) -> Principal:
        """The principal in the project `wanted`, or in the only one there is.

        Raises:
            PermissionMissing: they do not belong to it, or to any.
            InvalidParameter: they belong to several, and none is named.
        """
        if wanted is None and len(self.grants) > 1:
            names = ", ".join(sorted(self.grants))
            raise InvalidParameter(f"You belong to several projects. Name one in the header Millrace-Project: {names}.")
        project_id = next(iter(self.grants), "") if wanted is None else wanted
        if project_id not in self.grants:
            words = f"You do not belong to the project '{project_id[:64]}'." if wanted else "You belong to no project."
            raise PermissionMissing(f"{words} GET /api/projects lists yours.")
        return Principal(self.kind, self.id, project_id, self.grants[project_id])


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that signing in stands on."""

    keys: KeyStore
    members: MemberStore
    sessions: SessionStore
    tokens: AccessTokens
    passwords: Passwords
    clock: Clock

    async def identify(self, bearer: str | None) -> Identity:
        """Whoever sends `bearer`: an API key or an access token. Raises Unauthenticated."""
        if not bearer:
            raise Unauthenticated(MISSING)
        if bearer.startswith("mr_"):
            key = await self.valid_key(bearer)
            return Identity("api_key", key.id, {key.project_id: granted(key.scopes)})
        claims = await self.tokens.verify(bearer)
        return await (self._service(claims) if claims["kind"] == "service" else self._user(claims))

    async def valid_key(self, text: str) -> ApiKey:
        """The API key that `text` is; its use is written down. Raises Unauthenticated."""
        prefix, now = prefix_of(text), self.clock.now()
        key = await self.keys.by_prefix(prefix) if prefix else None
        if key is None or not fits(key, text, now):
            raise Unauthenticated(REFUSED)
        if use_is_news(key, now):
            await self.keys.used(key.id, now)
        return key

    async def _service(self, claims: Mapping[str, Any]) -> Identity:
        """A machine with a token of the client-credentials grant; it ends with the key that it was made with."""
        key, now = await self.keys.by_prefix(claims["sub"]), self.clock.now()
        if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            raise Unauthenticated(REFUSED)
        scopes = granted(key.scopes) & granted(claims["scope"].split())
        return Identity("service", key.id, {key.project_id: scopes})

    async def _user(self, claims: Mapping[str, Any]) -> Identity:
        """A person; what they may do is read anew, so that a removed member is out at once."""
        user = await self.members.user(claims["sub"])
        if user is None or user.disabled_at is not None:
            raise Unauthenticated(REFUSED)
        return Identity("user", user.id, await self.members.grants(user.id))
