"""Samples of deliveries to webhooks."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.isolation import isolate

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "webhook_samples",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("trigger_id", ID, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("input", sa.JSON(none_as_null=True)),
        sa.Column("problem", sa.JSON(none_as_null=True)),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["triggers.id"], name="fk_webhook_samples_trigger_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_samples"),
        comment="The newest deliveries to the test URL of each webhook",
    )
    op.create_index("ix_webhook_samples_trigger_id_id", "webhook_samples", ["trigger_id", "id"])
    isolate("webhook_samples")
