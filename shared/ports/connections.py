"""Credentials, and what keeps them secret."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from shared.connections.records import Connection, Grant

if TYPE_CHECKING:
    from shared.connections.kinds import OAuth2AuthorizationCode


class ConnectionStore(Protocol):
    async def create(self, connection: Connection) -> None:
        """Raises Conflict where another one has this name."""

    async def get(self, project_id: str, connection_id: str) -> Connection | None: ...

    async def find(self, project_id: str, name: str) -> Connection | None: ...

    async def list(self, project_id: str) -> Sequence[Connection]:
        """By name."""

    async def update(
        self, project_id: str, connection_id: str, change: Callable[[Connection], Awaitable[Connection]]
    ) -> Connection | None:
        """Stores what `change` makes of the connection, which nobody else changes meanwhile; None where there is none.

        Raises Conflict where another one has its new name. What `change` raises passes, and leaves all as it was.
        """

    async def delete(self, project_id: str, connection_id: str) -> None: ...


class Grants(Protocol):
    """A service's token endpoint, for access that a person gave."""

    async def redeem(self, credentials: "OAuth2AuthorizationCode", grant: Grant) -> "OAuth2AuthorizationCode":
        """The credentials with tokens for the grant. Raises ConnectionUnusable, and NodeError where nobody answers."""

    async def renew(self, credentials: "OAuth2AuthorizationCode") -> "OAuth2AuthorizationCode":
        """The credentials with a new access token. Raises as `redeem`."""


class SecretBox(Protocol):
    def encrypt(self, plain: str) -> bytes: ...

    def decrypt(self, sealed: bytes) -> str:
        """Raises ConfigInvalid where no key fits."""
