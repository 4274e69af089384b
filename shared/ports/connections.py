"""Credentials, and what keeps them secret."""

from collections.abc import Sequence
from typing import Protocol

from shared.connections.records import Connection


class ConnectionStore(Protocol):
    async def create(self, connection: Connection) -> None:
        """Raises Conflict where another one has this name."""

    async def get(self, project_id: str, connection_id: str) -> Connection | None: ...

    async def find(self, project_id: str, name: str) -> Connection | None: ...

    async def list(self, project_id: str) -> Sequence[Connection]:
        """By name."""

    async def update(self, connection: Connection) -> None:
        """Raises Conflict where another one has this name."""

    async def delete(self, project_id: str, connection_id: str) -> None: ...


class SecretBox(Protocol):
    def encrypt(self, plain: str) -> bytes: ...

    def decrypt(self, sealed: bytes) -> str:
        """Raises ConfigInvalid where no key fits."""
