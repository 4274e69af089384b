"""From a connection's name in a node's config to its credentials: only inside the function that uses them."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.clock import Clock, SystemClock
from shared.connections.kinds import Credentials, OAuth2AuthorizationCode
from shared.connections.records import Connection
from shared.connections.sealing import opened, opened_grant, sealed
from shared.errors import ConnectionUnusable, NodeStoreUnavailable, StoreUnavailable
from shared.ports import ConnectionStore, Grants, SecretBox

_EARLY = timedelta(minutes=1)
"""A token is renewed so long before it ends."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of all projects, each to be asked for by its project."""

    store: ConnectionStore
    box: SecretBox
    grants: Grants | None = None
    clock: Clock = field(default_factory=SystemClock)

    async def resolve(self, project_id: str, name: str) -> Credentials:
        """The credentials behind the name. Access that a person gave is renewed first where it is about to end.

        Raises:
            ConnectionUnusable: the project has no such connection, or its access cannot be had or renewed.
            NodeStoreUnavailable: the store does not answer.
        """
        try:
            found = await self.store.find(project_id, name)
            if found is None:
                raise ConnectionUnusable(
                    f"The project has no connection '{name}'. Create it (POST /api/connections), or name another one.",
                    connection=name,
                )
            if self._is_stale(found):
                found = await self.store.update(project_id, found.id, self._renewed) or found
        except StoreUnavailable as error:
            raise NodeStoreUnavailable(f"The connection '{name}' cannot be read: {error.message}") from None
        return opened(self.box, found)

    def _is_stale(self, connection: Connection) -> bool:
        if connection.kind != "oauth2_authorization_code":
            return False
        credentials = opened(self.box, connection)
        assert isinstance(credentials, OAuth2AuthorizationCode)  # noqa: S101 - for the type checker
        ends = credentials.expires_at
        return connection.grant is not None or (ends is not None and ends - _EARLY <= self.clock.now())

    async def _renewed(self, connection: Connection) -> Connection:
        """The connection with tokens that last; of several who ask at once, one asks the service."""
        if not self._is_stale(connection):
            return connection
        credentials = opened(self.box, connection)
        assert isinstance(credentials, OAuth2AuthorizationCode)  # noqa: S101 - for the type checker
        if self.grants is None:
            raise ConnectionUnusable(f"This stage cannot renew the access of the connection '{connection.name}'.")
        if connection.grant is not None:
            credentials = await self.grants.redeem(credentials, opened_grant(self.box, connection.grant))
        else:
            credentials = await self.grants.renew(credentials)
        return replace(connection, **sealed(self.box, credentials), grant=None)
