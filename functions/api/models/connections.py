"""Connections, as the API shows them. Secrets go in and never come out."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from functions.api.models.common import Body, Timestamp
from shared.connections import records

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
_EXAMPLE = {"kind": "bearer", "token": "…", "hosts": ["api.example.com"]}


class CreateConnection(Body):
    name: ConnectionName = Field(examples=["ops-slack"])
    credentials: dict[str, Any] = Field(
        examples=[_EXAMPLE],
        description="By `kind`: bearer, basic, api_key, oauth2_client_credentials, hmac, smtp or postgres.",
    )


class UpdateConnection(Body):
    """What is left out stays. `credentials` replaces all of them: that is how a secret is rotated."""

    name: ConnectionName | None = None
    credentials: dict[str, Any] | None = Field(default=None, examples=[_EXAMPLE])


class ConnectionOut(BaseModel):
    id: str
    name: str
    kind: str
    credentials: dict[str, Any] = Field(examples=[{"kind": "bearer", "hosts": ["api.example.com"]}])
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, connection: records.Connection) -> "ConnectionOut":
        """The stored connection without its secrets."""
        return cls(
            id=connection.id,
            name=connection.name,
            kind=connection.kind,
            credentials=connection.public,
            created_at=connection.created_at,
            updated_at=connection.updated_at,
        )
