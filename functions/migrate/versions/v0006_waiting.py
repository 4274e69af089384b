"""Executions that wait: parked, to be admitted, or for somebody to complete a task; and who may take them up when."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UNFINISHED = "status IN ('queued', 'running')"


def upgrade() -> None:
    """Replaces the lease by the time from which an execution may be claimed, which says as much for those who wait."""
    op.execute(
        "ALTER TABLE workflow_executions ADD COLUMN claimable_at timestamptz NOT NULL DEFAULT '-infinity', "
        "ADD COLUMN priority smallint NOT NULL DEFAULT 1, ADD COLUMN admission text, "
        "ADD COLUMN signalled boolean NOT NULL DEFAULT false, ADD COLUMN attempts smallint NOT NULL DEFAULT 0, "
        "ADD COLUMN claimed_events integer NOT NULL DEFAULT 0"
    )
    op.execute("UPDATE workflow_executions SET claimable_at = coalesce(lease_until, '-infinity')")
    op.drop_column("workflow_executions", "lease_until")
    op.drop_index("ix_workflow_executions_unfinished", "workflow_executions")
    op.create_check_constraint(
        op.f("ck_workflow_executions_admission"), "workflow_executions", "admission IN ('waiting', 'admitted')"
    )
    op.create_index(
        "ix_workflow_executions_claimable",
        "workflow_executions",
        ["priority", "claimable_at", "id"],
        postgresql_where=sa.text(UNFINISHED),
    )
    op.create_index(
        "ix_workflow_executions_admission",
        "workflow_executions",
        ["workflow_id", "admission", sa.text("priority DESC"), "id"],
        postgresql_where=sa.text(f"admission IS NOT NULL AND {UNFINISHED}"),
    )
    _comment("claimable_at", "Nobody claims it before: the end of its lease, or of its sleep; infinity: for a signal")
    _comment("priority", "0 low, 1 normal, 2 high")
    _comment("admission", "Only where the workflow or the project limits how many run at once")
    _comment("signalled", "There is a cancel or a completion that its worker has not heard of")
    _comment("attempts", "Workers that died with it since its history last grew")
    _comment("claimed_events", "Length of the history when it was last claimed")
    op.add_column("projects", sa.Column("max_concurrency", sa.Integer()))
    op.add_column(
        "workflow_versions", sa.Column("max_concurrency", sa.Integer(), comment="From the definition, as input_schema")
    )
    op.execute(
        "UPDATE workflow_versions SET max_concurrency = (definition #>> '{settings,max_concurrency}')::integer "
        "WHERE definition #>> '{settings,max_concurrency}' IS NOT NULL"
    )
    op.create_table(
        "task_completions",
        sa.Column("execution_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False, comment="Not a heartbeat; the first one of a token counts"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("output", sa.JSON(none_as_null=True)),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False, comment="Its worker has heard of it"),
        sa.PrimaryKeyConstraint("execution_id", "token", "final", name="pk_task_completions"),
        sa.CheckConstraint("kind IN ('succeeded', 'failed', 'heartbeat')", name=op.f("ck_task_completions_kind")),
        comment="What somebody outside said about tasks that wait for it; no foreign key: the journal writes it",
    )


def _comment(column: str, text: str) -> None:
    op.execute(f"COMMENT ON COLUMN workflow_executions.{column} IS '{text}'")
