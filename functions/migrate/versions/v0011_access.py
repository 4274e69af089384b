"""Who may come in, and row-level security as a second wall between projects."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.isolation import isolate_every_table

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

DEFAULT_ORGANISATION_ID = "00000000-0000-7000-8000-000000000002"
"""As shared.identity.records had it when this was written; a migration does not change afterwards."""


def upgrade() -> None:
    """Adds the tables, gives the projects that are there an owner, and puts the policies up."""
    _organisations()
    organisations = sa.table("organisations", sa.column("id", sa.Uuid(as_uuid=False)), sa.column("name", sa.Text))
    op.bulk_insert(organisations, [{"id": DEFAULT_ORGANISATION_ID, "name": "default"}])
    _owners_of_projects()
    for create in (_users, _roles, _memberships, _api_keys, _refresh_tokens, _signing_keys, _login_attempts):
        create()
    isolate_every_table()


def _owners_of_projects() -> None:
    owner = sa.Column("organisation_id", sa.Uuid(as_uuid=False), nullable=False, server_default=DEFAULT_ORGANISATION_ID)
    op.add_column("projects", owner)
    op.create_foreign_key("fk_projects_organisation_id", "projects", "organisations", ["organisation_id"], ["id"])


def _organisations() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        comment="Own projects",
    )


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "password_hash",
            sa.Text(),
            nullable=True,
            comment="Argon2id, in PHC string format; NULL lets no password in",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        comment="People",
    )


def _roles() -> None:
    op.create_table(
        "roles",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("permissions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_roles_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_roles_project_id_name")),
        comment="Roles that projects made themselves",
    )


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "role", sa.Text(), nullable=False, comment="A built-in role, or the name of one of the project's own"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_memberships_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_memberships")),
        comment="Who works in which project, as what",
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"], unique=False)


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the key"),
        sa.Column("scopes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_by", sa.Uuid(as_uuid=False), nullable=True, comment="No foreign key: a user or another key"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True, comment="To the minute"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_api_keys_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
        comment="Keys of programs; the keys themselves are not kept",
    )
    op.create_index("ix_api_keys_project_id_id", "api_keys", ["project_id", "id"], unique=False)


def _refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("family_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the token"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_refresh_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_refresh_tokens_digest")),
        comment="Each is used once; a second use revokes its family",
    )
    op.create_index("ix_refresh_tokens_family_id", "refresh_tokens", ["family_id"], unique=False)


def _signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="The private key, as ciphertext"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
        comment="Keys of access tokens: the newest signs, all that are not retired verify",
    )


def _login_attempts() -> None:
    op.create_table(
        "login_attempts",
        sa.Column(
            "subject", sa.Text(), nullable=False, comment="SHA-256 of the e-mail address, with an account or without"
        ),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_login_attempts")),
        comment="Failed logins in a row",
    )
