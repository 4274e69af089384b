"""When schedules and polls are due, and what they remember."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables, and finds triggers that fire by the clock and what they started."""
    op.create_table(
        "trigger_state",
        sa.Column("trigger_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "planned_for",
            sa.DateTime(timezone=True),
            comment="updated_at of the trigger that document and due_at were made for",
        ),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), comment="When it has to be looked at; NULL where nothing is to come"
        ),
        sa.Column("document", sa.JSON(none_as_null=True), comment="What its type remembers"),
        sa.Column("claim", sa.Text(), comment="Who looks at it now"),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["triggers.id"], name="fk_trigger_state_trigger_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trigger_id", name="pk_trigger_state"),
        comment="When schedules and polls are due, and what they remember",
    )
    op.create_index("ix_trigger_state_due_at", "trigger_state", ["due_at"])
    op.create_table(
        "poll_sources",
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "source", name="pk_poll_sources"),
        comment="When the next poll of a source with a rate limit may be made",
    )
    op.create_index(
        "ix_triggers_timed",
        "triggers",
        ["type", "id"],
        postgresql_where=sa.text("type IN ('schedule', 'polling') AND is_active"),
    )
    op.create_index(
        "ix_workflow_executions_trigger_id_unfinished",
        "workflow_executions",
        ["trigger_id"],
        postgresql_where=sa.text("completed_at IS NULL AND trigger_id IS NOT NULL"),
    )
