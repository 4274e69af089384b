"""From a connection's name in a node's config to its credentials: only inside the function that uses them."""

from dataclasses import dataclass

import orjson

from shared.connections.kinds import Credentials, credentials_of
from shared.errors import ConnectionUnusable, NodeStoreUnavailable, StoreUnavailable
from shared.ports import ConnectionStore, SecretBox


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of all projects, each to be asked for by its project."""

    store: ConnectionStore
    box: SecretBox

    async def resolve(self, project_id: str, name: str) -> Credentials:
        """The credentials behind the name.

        Raises:
            ConnectionUnusable: the project has no such connection.
            NodeStoreUnavailable: the store does not answer.
        """
        try:
            found = await self.store.find(project_id, name)
        except StoreUnavailable as error:
            raise NodeStoreUnavailable(f"The connection '{name}' cannot be read: {error.message}") from None
        if found is None:
            raise ConnectionUnusable(
                f"The project has no connection '{name}'. Create it (POST /api/connections), or name another one.",
                connection=name,
            )
        return credentials_of(orjson.loads(self.box.decrypt(found.sealed)))
