"""Bulk runs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "bulk_runs",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("submitted", sa.Integer(), nullable=False),
        sa.Column("max_in_flight", sa.Integer(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True)),
        sa.Column("closed", sa.Boolean(), nullable=False, comment="Nothing is left to hand to the queue"),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column(
            "request_digest", sa.Text(), comment="SHA-256 of the inputs, to tell a repeated request from another one"
        ),
        sa.Column("worker", sa.Text(), comment="Who hands its inputs to the queue"),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_runs")),
        comment="One workflow started once for each of a list of inputs",
    )
    op.create_index(
        "uq_bulk_runs_workflow_id_idempotency_key", "bulk_runs", ["workflow_id", "idempotency_key"], unique=True
    )
    op.create_index("ix_bulk_runs_open", "bulk_runs", ["id"], postgresql_where=sa.text("NOT closed"))
    op.create_index("ix_bulk_runs_project_id_id", "bulk_runs", ["project_id", "id"])
