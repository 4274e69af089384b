"""Organisations, projects, users and what proves who they are, as stores keep them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

DEFAULT_ORGANISATION_ID = "00000000-0000-7000-8000-000000000002"
"""Owns the project of a fresh installation."""


@dataclass(frozen=True, slots=True)
class Project:
    """What isolates one team's workflows from another's; an organisation owns it."""

    id: str
    organisation_id: str
    name: str
    created_at: datetime
    max_concurrency: int | None = None
    """How many executions of the project run at once; the others wait."""
    max_executions_per_day: int | None = None
    """How many may start in a day (UTC); further ones are refused."""
    max_tokens_per_day: int | None = None
    """How many tokens its agents may use in a day (UTC); then no model is asked any more."""
    max_dollars_per_day: float | None = None
    """The same in dollars, as far as the models' prices are known."""


@dataclass(frozen=True, slots=True)
class User:
    """A person. `email` is in lower case; without `password_hash` no password lets them in."""

    id: str
    email: str
    name: str
    password_hash: str | None
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's role in a project: the name of a built-in role or of one of the project's own."""

    project_id: str
    user_id: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A project's own role: a set of permissions under a name."""

    id: str
    project_id: str
    name: str
    permissions: Sequence[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a project. `prefix` is public and finds it; `digest` is SHA-256 of the whole key, in hexadecimal."""

    id: str
    project_id: str
    name: str
    prefix: str
    digest: str
    scopes: Sequence[str]
    created_by: str | None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One token of a family: each use gives the next one, and a second use of any ends the family."""

    id: str
    family_id: str
    user_id: str
    digest: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs access tokens; the newest signs, all that are not retired verify. `sealed` is ciphertext."""

    kid: str
    sealed: bytes
    created_at: datetime
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failed logins in a row of one e-mail address, whether it has an account or not."""

    failures: int
    last_failed_at: datetime
