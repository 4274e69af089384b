"""Who did what to what: the audit log, and the triggers that write it."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.auditing import audit, make_append_only, make_functions
from functions.migrate.isolation import isolate

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ALL = {"created": "INSERT", "updated": "UPDATE", "deleted": "DELETE"}


def upgrade() -> None:
    """Adds the tables and the functions, watches what people change, and gives projects a quota."""
    op.add_column("projects", sa.Column("max_executions_per_day", sa.Integer(), comment="Days are those of UTC"))
    _audit_log()
    _audit_heads()
    make_functions()
    make_append_only()
    isolate("audit_log")
    isolate("audit_heads")
    _watch()


def _audit_log() -> None:
    digest = "SHA-256 of the row as JSON"
    op.create_table(
        "audit_log",
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="1, 2, 3 … within the project"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("target_name", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True, comment=digest),
        sa.Column("after", sa.Text(), nullable=True, comment=digest),
        sa.Column("previous", sa.Text(), nullable=False, comment="The hash of the entry before"),
        sa.Column("hash", sa.Text(), nullable=False, comment="SHA-256 over everything else of the entry"),
        sa.PrimaryKeyConstraint("project_id", "seq", name=op.f("pk_audit_log")),
        comment="Who did what to what; append-only, each entry chained to the one before",
    )


def _audit_heads() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("pruned_seq", sa.BigInteger(), nullable=False, comment="The newest entry that retention removed"),
        sa.Column("pruned_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_audit_heads")),
        comment="The newest entry of each project's audit log",
    )


def _watch() -> None:
    same, other = "OLD.status = NEW.status", "OLD.status <> NEW.status"
    created = {"created": "INSERT"}
    audit(
        "workflows",
        "workflow",
        {**created, "updated": f"UPDATE WHEN ({same})", "@status": f"UPDATE WHEN ({other})"},
        detail="version",
    )
    audit("triggers", "trigger", _ALL, name="type", detail="workflow_id")
    audit("webhook_registrations", "webhook", {"updated": "UPDATE"}, name="path", detail="trigger_id")
    audit("connections", "connection", _ALL, detail="kind")
    decided = "OLD.decided_at IS NULL AND NEW.decided_at IS NOT NULL"
    audit("approvals", "approval", {"@status": f"UPDATE WHEN ({decided})"}, name="title", detail="decided_by")
    audit("projects", "project", _ALL, project="id", detail="max_concurrency")
    audit("memberships", "member", _ALL, id_="user_id", name="role", detail="role")
    audit("roles", "role", _ALL, detail="permissions")
    revoked = "UPDATE WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)"
    audit("api_keys", "api_key", {**created, "revoked": revoked}, detail="scopes")
