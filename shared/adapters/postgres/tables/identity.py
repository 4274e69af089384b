"""Organisations, users, roles, and what proves who somebody is."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

organisations = Table(
    "organisations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", TIME, nullable=False, server_default=text("now()")),
    comment="Own projects",
)

users = Table(
    "users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, comment="Argon2id, in PHC string format; NULL lets no password in"),
    Column("created_at", TIME, nullable=False),
    Column("disabled_at", TIME),
    CheckConstraint("email = lower(email)", name="email"),
    UniqueConstraint("email"),
    comment="People",
)

user_identities = Table(
    "user_identities",
    metadata,
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("created_at", TIME, nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
    UniqueConstraint("user_id", "issuer"),
    comment="Whom a provider means by its own name for them; bound when they first sign in through it",
)

roles = Table(
    "roles",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("permissions", DOCUMENT, nullable=False),
    Column("created_at", TIME, nullable=False),
    UniqueConstraint("project_id", "name"),
    comment="Roles that projects made themselves",
)

memberships = Table(
    "memberships",
    metadata,
    Column("project_id", ID, ForeignKey("projects.id"), nullable=False),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("role", Text, nullable=False, comment="A built-in role, or the name of one of the project's own"),
    Column("created_at", TIME, nullable=False),
    PrimaryKeyConstraint("project_id", "user_id"),
    Index("ix_memberships_user_id", "user_id"),
    comment="Who works in which project, as what",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="SHA-256 of the key"),
    Column("scopes", DOCUMENT, nullable=False),
    Column("created_by", ID, comment="No foreign key: a user or another key"),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME),
    Column("last_used_at", TIME, comment="To the minute"),
    Column("revoked_at", TIME),
    UniqueConstraint("prefix"),
    Index("ix_api_keys_project_id_id", "project_id", "id"),
    comment="Keys of programs; the keys themselves are not kept",
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("id", ID, primary_key=True),
    Column("family_id", ID, nullable=False),
    Column("user_id", ID, ForeignKey("users.id"), nullable=False),
    Column("digest", Text, nullable=False, comment="SHA-256 of the token"),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME, nullable=False),
    Column("used_at", TIME),
    Column("revoked_at", TIME),
    UniqueConstraint("digest"),
    Index("ix_refresh_tokens_family_id", "family_id"),
    comment="Each is used once; a second use revokes its family",
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="The private key, as ciphertext"),
    Column("created_at", TIME, nullable=False),
    Column("retired_at", TIME),
    comment="Keys of access tokens: the newest signs, all that are not retired verify",
)

login_attempts = Table(
    "login_attempts",
    metadata,
    Column("subject", Text, primary_key=True, comment="SHA-256 of the e-mail address, with an account or without"),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", TIME, nullable=False),
    comment="Failed logins in a row",
)
