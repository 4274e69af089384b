"""Shapes of signing in, members, roles, keys and projects."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, SecretStr

from functions.api.models.common import Body, Timestamp
from shared.identity.login import ACCESS_SECONDS, MAX_PASSWORD, MIN_PASSWORD, Tokens
from shared.identity.records import ApiKey, CustomRole, Membership, Project, User

Email = Annotated[str, Field(pattern=r"^[^@\s\x00]{1,64}@[^@\s\x00]{1,250}$", examples=["ada@example.org"])]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
Password = Annotated[SecretStr, Field(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]
Permissions = Annotated[list[str], Field(max_length=200, examples=[["workflows:read", "executions:read"]])]


class Login(Body):
    email: Annotated[str, Field(max_length=320)]
    password: Annotated[SecretStr, Field(max_length=MAX_PASSWORD)]


class OidcCode(Body):
    code: Annotated[SecretStr, Field(max_length=8_000)]
    verifier: Annotated[SecretStr, Field(min_length=43, max_length=128)]


class SignInProviders(BaseModel):
    """Names of MILLRACE_OIDC."""

    providers: list[str]


class Refresh(Body):
    refresh_token: Annotated[SecretStr, Field(max_length=200)]


class ChangePassword(Body):
    current_password: Annotated[SecretStr, Field(max_length=MAX_PASSWORD)]
    new_password: Password


class TokensOut(BaseModel):
    """`access_token` goes into the Authorization header; `refresh_token` gives the next pair, once."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a word of RFC 6749
    expires_in: int = Field(default=ACCESS_SECONDS, description="Seconds.")
    refresh_token: str

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        return cls(access_token=tokens.access, refresh_token=tokens.refresh)


class MachineTokenOut(BaseModel):
    """As RFC 6749 §5.1."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a word of RFC 6749
    expires_in: int = ACCESS_SECONDS
    scope: str


class Me(BaseModel):
    """Who calls. `projects`: project → permissions there."""

    kind: str = Field(examples=["user"])
    id: str
    projects: Mapping[str, list[str]]


class ProjectOut(BaseModel):
    id: str
    organisation_id: str
    name: str
    created_at: Timestamp
    max_concurrency: int | None = Field(description="Executions that run at once; the others wait. No limit: null.")
    max_executions_per_day: int | None = Field(description="Further ones are refused until midnight (UTC).")
    max_tokens_per_day: int | None = Field(description="Then its agents ask no model until midnight (UTC).")
    max_dollars_per_day: float | None = Field(description="The same, where the models' prices are known.")

    @classmethod
    def of(cls, project: Project) -> Self:
        return cls.model_validate(project, from_attributes=True)


class NamedProject(Body):
    name: Name


class ChangedProject(Body):
    """What is not given stays as it is."""

    name: Name | None = None
    max_concurrency: int | None = Field(default=None, ge=1, le=100_000)
    max_executions_per_day: int | None = Field(default=None, ge=1, le=100_000_000)
    max_tokens_per_day: int | None = Field(default=None, ge=1, le=10**15)
    max_dollars_per_day: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False)


class AddMember(Body):
    """`name` and `password` are for somebody who has no account yet."""

    email: Email
    role: Name
    name: Name | None = None
    password: Password | None = None


class ChangeMember(Body):
    role: Name


class MemberOut(BaseModel):
    user_id: str
    email: str
    name: str
    role: str
    created_at: Timestamp

    @classmethod
    def of(cls, membership: Membership, user: User) -> Self:
        role, since = membership.role, membership.created_at
        return cls(user_id=user.id, email=user.email, name=user.name, role=role, created_at=since)


class CreateRole(Body):
    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,62}$", examples=["auditor"])]
    permissions: Permissions


class RoleOut(BaseModel):
    """`id` and `created_at` are null for the built-in ones."""

    id: str | None
    name: str
    permissions: list[str]
    created_at: Timestamp | None

    @classmethod
    def of(cls, role: CustomRole) -> Self:
        return cls.model_validate(role, from_attributes=True)


class CreateKey(Body):
    name: Name
    scopes: Permissions | None = Field(default=None, description="By default all permissions of the caller.")
    expires_at: datetime | None = Field(default=None, description="By default never.")


class KeyOut(BaseModel):
    id: str
    name: str
    prefix: str = Field(description="The key begins with `mr_`, this and `_`.")
    scopes: list[str]
    created_by: str | None
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    revoked_at: Timestamp | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls.model_validate(key, from_attributes=True)


class NewKeyOut(KeyOut):
    """The only answer that holds the key."""

    key: str
