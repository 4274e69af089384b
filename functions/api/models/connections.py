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
        description="By `kind`: bearer, basic, api_key, oauth2_client_credentials, oauth2_authorization_code, hmac, "
        "smtp or postgres.",
    )


class UpdateConnection(Body):
    """What is left out stays. `credentials` replaces all of them: that is how a secret is rotated."""

    name: ConnectionName | None = None
    credentials: dict[str, Any] | None = Field(default=None, examples=[_EXAMPLE])


class TestConnection(Body):
    __test__ = False  # pytest would take it for a class of tests

    url: str | None = Field(
        default=None,
        max_length=2_000,
        examples=["https://api.example.com/me"],
        description="What to GET with the credentials. Not needed for OAuth 2.0, smtp and postgres.",
    )


class ConnectionTested(BaseModel):
    """`ok`, and what was checked; else why it does not work."""

    ok: bool
    checked: str | None = Field(default=None, examples=["api.example.com answered 200"])
    error: str | None = Field(default=None, examples=["DestinationRefused"])
    message: str | None = None
    duration_ms: float


class AuthorizeConnection(BaseModel):
    """Open `url` in a browser."""

    url: str = Field(examples=["https://millrace.example.com/oauth/start?state=…"])
    redirect_uri: str = Field(
        examples=["https://millrace.example.com/oauth/callback"],
        description="Where the service sends its answer; it has to know it beforehand.",
    )
    expires_in: int = Field(description="Seconds.", examples=[600])


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
