"""A store of connections for tests that need one connection and no database."""

from typing import Any

import orjson

from shared.connections.kinds import credentials_of, public, revealed
from shared.connections.records import Connection
from shared.ids import new_id
from shared.ports import SecretBox
from tests.functions.nodes.conftest import EXECUTION
from tests.support.stores import now


class OneConnection:
    """A store with one connection, sealed as the API seals it."""

    def __init__(self, box: SecretBox, credentials: dict[str, Any]) -> None:
        parsed = credentials_of(credentials)
        sealed = box.encrypt(orjson.dumps(revealed(parsed)).decode())
        self.connection = Connection(
            new_id(), EXECUTION["project_id"], "crm", parsed.kind, public(parsed), sealed, now(), now()
        )

    async def find(self, project_id: str, name: str) -> Connection | None:
        mine = (self.connection.project_id, self.connection.name)
        return self.connection if (project_id, name) == mine else None
