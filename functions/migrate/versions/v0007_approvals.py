"""Questions to people."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("execution_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("form_schema", sa.JSON(none_as_null=True)),
        sa.Column("approvers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=False, comment="The task token, as ciphertext"),
        sa.Column("token_digest", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("approved", sa.Boolean()),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("comment", sa.Text()),
        sa.Column("form", sa.JSON(none_as_null=True)),
        sa.Column("delivered", sa.Boolean(), nullable=False, comment="The execution was told of the decision"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'rejected', 'expired')", name=op.f("ck_approvals_status")
        ),
        sa.CheckConstraint("(approved IS NULL) = (decided_at IS NULL)", name=op.f("ck_approvals_decided")),
        comment="Questions to people, which executions wait for, and the answers",
    )
    op.create_index("ix_approvals_project_id_status_id", "approvals", ["project_id", "status", "id"])
    op.create_index("ix_approvals_execution_id", "approvals", ["execution_id"])
    op.create_index(
        "ix_approvals_undelivered",
        "approvals",
        ["id"],
        postgresql_where=sa.text("approved IS NOT NULL AND NOT delivered"),
    )
