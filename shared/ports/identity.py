"""Who may come in."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.identity.records import (
    ApiKey,
    Attempts,
    CustomRole,
    Membership,
    Project,
    RefreshToken,
    SigningKey,
    User,
)


class KeyStore(Protocol):
    """API keys."""

    async def by_prefix(self, prefix: str) -> ApiKey | None:
        """Whatever its project, revoked and expired ones included."""

    async def create(self, key: ApiKey) -> None: ...

    async def list(self, project_id: str) -> Sequence[ApiKey]:
        """Newest first, revoked ones included."""

    async def revoke(self, project_id: str, key_id: str, at: datetime) -> bool:
        """Whether the project has the key; revoking twice is once."""

    async def revoke_of(self, project_id: str, creator_id: str, at: datetime) -> None:
        """Every key of the project that this user made."""

    async def used(self, key_id: str, at: datetime) -> None: ...


class MemberStore(Protocol):
    """Users, projects, and who may do what where."""

    async def user(self, user_id: str) -> User | None: ...

    async def user_by_email(self, email: str) -> User | None: ...

    async def create_user(self, user: User) -> None:
        """Raises Conflict where the address is taken."""

    async def user_at(self, issuer: str, subject: str) -> User | None:
        """Whom a provider means by its own name for somebody, once `bind` was told."""

    async def bind(self, issuer: str, subject: str, user_id: str, at: datetime) -> bool:
        """From now on the provider means this user. False where the user, or the name, is bound otherwise already."""

    async def unbind(self, user_id: str) -> None:
        """No provider means this user any more."""

    async def set_password(self, user_id: str, password_hash: str) -> None: ...

    async def grants(self, user_id: str) -> Mapping[str, frozenset[str]]:
        """Project → what the user may do there."""

    async def members(self, project_id: str) -> Sequence[tuple[Membership, User]]: ...

    async def put_membership(self, membership: Membership) -> None:
        """Adds it, or changes the role."""

    async def remove_membership(self, project_id: str, user_id: str) -> bool: ...

    async def roles(self, project_id: str) -> Sequence[CustomRole]: ...

    async def create_role(self, role: CustomRole) -> None:
        """Raises Conflict where the project has one of this name."""

    async def delete_role(self, project_id: str, role_id: str) -> bool:
        """Raises Conflict where members still have it."""

    async def projects(self, ids: Sequence[str]) -> Sequence[Project]: ...

    async def create_project(self, project: Project, owner: Membership | None) -> None: ...

    async def change_project(self, project: Project) -> None:
        """Its name and its bounds."""


class SessionStore(Protocol):
    """What signing in leaves behind."""

    async def keep(self, token: RefreshToken) -> bool:
        """False where it is not kept: its family is revoked, or it was kept before, which revokes its family."""

    async def use(self, digest: str, at: datetime) -> tuple[RefreshToken | None, bool]:
        """The token of this digest and whether this is its first use; a second use revokes its family."""

    async def revoke_family(self, family_id: str, at: datetime) -> None: ...

    async def attempts(self, subject: str) -> Attempts | None: ...

    async def failed(self, subject: str, at: datetime, forget_after: timedelta) -> None: ...

    async def succeeded(self, subject: str) -> None: ...

    async def signing_keys(self) -> Sequence[SigningKey]:
        """Those that are not retired, newest first."""

    async def add_signing_key(self, key: SigningKey) -> None: ...

    async def retire_signing_keys(self, before: datetime, at: datetime) -> None: ...


class AccessTokens(Protocol):
    """Signs and verifies access tokens."""

    async def sign(self, claims: Mapping[str, Any]) -> str: ...

    async def verify(self, token: str) -> Mapping[str, Any]:
        """The claims. Raises Unauthenticated."""

    async def public_keys(self) -> Sequence[Mapping[str, Any]]:
        """As JSON Web Keys (RFC 7517)."""


class Passwords(Protocol):
    """Hashes passwords, slowly."""

    async def hash(self, password: str) -> str: ...

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Takes as long without a hash as with one."""
