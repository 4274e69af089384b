"""The tables of the foundation, and the project that the local stage works in."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DEFAULT_PROJECT_ID = "00000000-0000-7000-8000-000000000001"
"""As shared.settings had it when this was written; a migration does not change afterwards."""


def upgrade() -> None:
    """From an empty database."""
    _projects()
    _workflows()
    _workflow_versions()
    _workflow_executions()
    _execution_events()
    _triggers()
    _webhook_registrations()
    projects = sa.table("projects", sa.column("id", sa.Uuid(as_uuid=False)), sa.column("name", sa.Text))
    op.bulk_insert(projects, [{"id": DEFAULT_PROJECT_ID, "name": "default"}])


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        comment="What isolates one team's workflows from another's",
    )


def _workflows() -> None:
    op.create_table(
        "workflows",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("definition", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'active', 'paused', 'deleted')", name=op.f("ck_workflows_status")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_workflows_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
        comment="Workflows with their newest definition; deleted ones stay for their executions",
    )
    op.create_index("ix_workflows_project_id_id", "workflows", ["project_id", "id"])
    op.create_index(
        "uq_workflows_project_id_name",
        "workflows",
        ["project_id", "name"],
        unique=True,
        postgresql_where=sa.text("status <> 'deleted'"),
    )


def _workflow_versions() -> None:
    op.create_table(
        "workflow_versions",
        sa.Column("workflow_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("definition", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("asl", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("source_map", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column(
            "input_schema",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="From the definition: a delivery needs it without the rest",
        ),
        sa.Column("mode", sa.Text(), nullable=False, comment="From the definition, as input_schema"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("mode IN ('durable', 'express')", name=op.f("ck_workflow_versions_mode")),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_workflow_versions_workflow_id"),
        sa.PrimaryKeyConstraint("workflow_id", "version", name="pk_workflow_versions"),
        comment="Every published version, compiled; never changed",
    )


def _workflow_executions() -> None:
    op.create_table(
        "workflow_executions",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "trigger_id",
            sa.Uuid(as_uuid=False),
            nullable=True,
            comment="No foreign key: the trigger may be deleted since",
        ),
        sa.Column("input", sa.JSON(none_as_null=True), nullable=True),
        sa.Column(
            "context",
            sa.JSON(none_as_null=True),
            nullable=False,
            comment="What started it: trigger, correlation_id, delivery_id",
        ),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column(
            "error",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="name and cause, as Step Functions reports a failure",
        ),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column(
            "request_digest",
            sa.Text(),
            nullable=True,
            comment="SHA-256 of the request, to tell a repeated one from another one",
        ),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True, comment="Who runs it, or ran it last"),
        sa.Column(
            "lease_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When another worker may take it up, unless the lease is renewed",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status IN ('queued', 'running')) = (completed_at IS NULL)", name=op.f("ck_workflow_executions_completed")
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'timed_out', 'cancelled')",
            name=op.f("ck_workflow_executions_status"),
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id", "version"],
            ["workflow_versions.workflow_id", "workflow_versions.version"],
            name="fk_workflow_executions_workflow_id_version",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_workflow_executions"),
        comment="Accepted start requests, and what became of them",
    )
    op.create_index("ix_workflow_executions_project_id_id", "workflow_executions", ["project_id", "id"])
    op.create_index(
        "ix_workflow_executions_project_id_status_id", "workflow_executions", ["project_id", "status", "id"]
    )
    op.create_index(
        "ix_workflow_executions_unfinished",
        "workflow_executions",
        ["id"],
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.create_index("ix_workflow_executions_workflow_id_id", "workflow_executions", ["workflow_id", "id"])
    op.create_index(
        "uq_workflow_executions_workflow_id_idempotency_key",
        "workflow_executions",
        ["workflow_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )


def _execution_events() -> None:
    op.create_table(
        "execution_events",
        sa.Column("execution_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("previous_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "id", name="pk_execution_events"),
        comment="History of executions, in Step Functions' shape; append-only; no foreign key: it is the hottest table",
    )


def _triggers() -> None:
    op.create_table(
        "triggers",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "type IN ('webhook', 'schedule', 'event', 'polling', 'manual')", name=op.f("ck_triggers_type")
        ),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_triggers_workflow_id"),
        sa.PrimaryKeyConstraint("id", name="pk_triggers"),
        comment="What starts a workflow, and when",
    )
    op.create_index("ix_triggers_workflow_id_id", "triggers", ["workflow_id", "id"])


def _webhook_registrations() -> None:
    op.create_table(
        "webhook_registrations",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("trigger_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True, comment="Ciphertext"),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["triggers.id"], name="fk_webhook_registrations_trigger_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name="fk_webhook_registrations_workflow_id"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_registrations"),
        sa.UniqueConstraint("path", name="uq_webhook_registrations_path"),
        sa.UniqueConstraint("trigger_id", name="uq_webhook_registrations_trigger_id"),
        comment="Public paths of webhook triggers; paths are unique across projects, since the URL names none",
    )
    op.create_index("ix_webhook_registrations_project_id_id", "webhook_registrations", ["project_id", "id"])
