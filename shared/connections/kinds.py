"""What a connection may hold: the credentials for one service, by kind.

What is secret is a `SecretStr`, here and nowhere else: those fields are sealed at rest, never shown, and scrubbed from
whatever a node says. `hosts` says where the credentials may be sent; an author who can edit a workflow, but not the
connection, cannot have them sent elsewhere.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from shared.errors import InvalidParameter

Secret: TypeAlias = Annotated[SecretStr, Field(min_length=1, max_length=8_192)]
Host: TypeAlias = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-zA-Z0-9.-]{1,253}$", to_lower=True)]
HeaderName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
WebAddress: TypeAlias = Annotated[str, StringConstraints(pattern=r"^https?://", max_length=2_000)]


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _HttpKind(_Kind):
    hosts: list[Host] = Field(
        default_factory=list,
        max_length=50,
        description="Where the credentials may be sent: `api.example.com`, `*.example.com`. Empty: anywhere.",
    )


class Bearer(_HttpKind):
    """`Authorization: Bearer <token>`, RFC 6750. Also what GitHub and Slack take."""

    kind: Literal["bearer"] = "bearer"
    token: Secret


class Basic(_HttpKind):
    """`Authorization: Basic`, RFC 7617."""

    kind: Literal["basic"] = "basic"
    username: Text
    password: Secret


class ApiKey(_HttpKind):
    """A key in a header or in the query."""

    kind: Literal["api_key"] = "api_key"
    name: HeaderName = "X-API-Key"
    location: Literal["header", "query"] = "header"
    value: Secret


class OAuth2ClientCredentials(_HttpKind):
    """A token that is fetched with the client's own credentials, and fetched anew before it ends; RFC 6749, 4.4."""

    kind: Literal["oauth2_client_credentials"] = "oauth2_client_credentials"
    token_url: WebAddress
    client_id: Text
    client_secret: Secret
    scope: str = Field(default="", max_length=2_000)
    audience: str | None = Field(default=None, max_length=1_000)
    credentials_in: Literal["header", "body"] = "header"


class OAuth2AuthorizationCode(_HttpKind):
    """Access that a person gave in their browser: RFC 6749, 4.1, with PKCE (RFC 7636).

    The tokens come when somebody authorises the connection, and are renewed with the refresh token before they end.
    """

    kind: Literal["oauth2_authorization_code"] = "oauth2_authorization_code"
    authorize_url: WebAddress
    token_url: WebAddress
    client_id: Text
    client_secret: Secret | None = None
    scope: str = Field(default="", max_length=2_000)
    authorize_parameters: dict[Text, Text] = Field(
        default_factory=dict,
        max_length=20,
        description="What the service wants besides, such as `access_type: offline`.",
    )
    credentials_in: Literal["header", "body"] = "header"
    access_token: Secret | None = None
    refresh_token: Secret | None = None
    expires_at: AwareDatetime | None = Field(default=None, description="Of the access token; null: it does not end.")
    authorized_at: AwareDatetime | None = Field(default=None, description="When somebody gave access.")


class HmacSigned(_HttpKind):
    """A signature over the body in a header, as `<prefix><HMAC>`."""

    kind: Literal["hmac"] = "hmac"
    secret: Secret
    header: HeaderName = "X-Signature-256"
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="sha256=", max_length=50)


class Smtp(_Kind):
    """A mail server; TLS unless said otherwise."""

    kind: Literal["smtp"] = "smtp"
    host: Host
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = Field(default=None, max_length=500)
    password: Secret | None = None
    sender: Text


class Postgres(_Kind):
    """A PostgreSQL database. Give it a role that may do no more than it has to."""

    kind: Literal["postgres"] = "postgres"
    host: Host
    port: int = Field(default=5432, ge=1, le=65535)
    database: Text
    username: Text
    password: Secret | None = None
    read_only: bool = Field(default=True, description="Statements cannot write.")
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"


HttpConnection: TypeAlias = Bearer | Basic | ApiKey | OAuth2ClientCredentials | OAuth2AuthorizationCode | HmacSigned
HTTP_KINDS = (Bearer, Basic, ApiKey, OAuth2ClientCredentials, OAuth2AuthorizationCode, HmacSigned)

Credentials: TypeAlias = Annotated[HttpConnection | Smtp | Postgres, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[Credentials] = TypeAdapter(Credentials)


def credentials_of(value: Any) -> Credentials:
    """The credentials for JSON values.

    Raises:
        InvalidParameter: they are none; every mistake is named, no value.
    """
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'credentials'}: {each['msg']}"
            for each in error.errors(include_input=False)
        )
        raise InvalidParameter(f"The credentials are not valid: {found}.") from None


def public(credentials: Credentials) -> dict[str, Any]:
    """What may be shown: everything but the secrets."""
    hidden = {name for name, value in credentials if isinstance(value, SecretStr)}
    return credentials.model_dump(mode="json", exclude=hidden)


def revealed(credentials: Credentials) -> dict[str, Any]:
    """Everything, for the box that seals it."""
    plain = {name: value.get_secret_value() for name, value in credentials if isinstance(value, SecretStr)}
    return credentials.model_dump(mode="json") | plain


def secrets_of(credentials: Credentials) -> list[str]:
    """The secret values."""
    return [value.get_secret_value() for _, value in credentials if isinstance(value, SecretStr)]
