"""Executions and their history."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

UNFINISHED = "status IN ('queued', 'running')"


workflow_executions = Table(
    "workflow_executions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("workflow_id", ID, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("trigger_id", ID, comment="No foreign key: the trigger may be deleted since"),
    Column("input", DOCUMENT),
    Column("context", DOCUMENT, nullable=False, comment="What started it: trigger, correlation_id, delivery_id"),
    Column("result", DOCUMENT),
    Column("error", DOCUMENT, comment="name and cause, as Step Functions reports a failure"),
    Column("idempotency_key", Text),
    Column("request_digest", Text, comment="SHA-256 of the request, to tell a repeated one from another one"),
    Column("cancel_requested_at", TIME),
    Column("worker", Text, comment="Who runs it, or ran it last"),
    Column(
        "claimable_at",
        TIME,
        nullable=False,
        server_default=text("'-infinity'"),
        comment="Nobody claims it before: the end of its lease, or of its sleep; infinity: for a signal",
    ),
    Column("priority", SmallInteger, nullable=False, server_default=text("1"), comment="0 low, 1 normal, 2 high"),
    Column("admission", Text, comment="Only where the workflow or the project limits how many run at once"),
    Column(
        "signalled",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="There is a cancel or a completion that its worker has not heard of",
    ),
    Column(
        "attempts",
        SmallInteger,
        nullable=False,
        server_default=text("0"),
        comment="Workers that died with it since its history last grew",
    ),
    Column(
        "claimed_events",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="Length of the history when it was last claimed",
    ),
    Column("created_at", TIME, nullable=False),
    Column("started_at", TIME),
    Column("completed_at", TIME),
    ForeignKeyConstraint(["workflow_id", "version"], ["workflow_versions.workflow_id", "workflow_versions.version"]),
    CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'timed_out', 'cancelled')", name="status"),
    CheckConstraint("admission IN ('waiting', 'admitted')", name="admission"),
    CheckConstraint(f"({UNFINISHED}) = (completed_at IS NULL)", name="completed"),
    Index(
        "uq_workflow_executions_workflow_id_idempotency_key",
        "workflow_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    Index("ix_workflow_executions_claimable", "priority", "claimable_at", "id", postgresql_where=text(UNFINISHED)),
    Index(
        "ix_workflow_executions_admission",
        "workflow_id",
        "admission",
        text("priority DESC"),
        "id",
        postgresql_where=text(f"admission IS NOT NULL AND {UNFINISHED}"),
    ),
    Index("ix_workflow_executions_project_id_id", "project_id", "id"),
    Index("ix_workflow_executions_project_id_status_id", "project_id", "status", "id"),
    Index("ix_workflow_executions_workflow_id_id", "workflow_id", "id"),
    comment="Accepted start requests, and what became of them",
)


execution_events = Table(
    "execution_events",
    metadata,
    Column("execution_id", ID, nullable=False),
    Column("id", Integer, nullable=False),
    Column("previous_id", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("timestamp", TIME, nullable=False),
    Column("details", DOCUMENT, nullable=False),
    Column("project_id", ID, nullable=False),
    PrimaryKeyConstraint("execution_id", "id"),
    comment="History of executions, in Step Functions' shape; append-only; no foreign key: it is the hottest table",
)

task_completions = Table(
    "task_completions",
    metadata,
    Column("execution_id", ID, nullable=False),
    Column("token", Text, nullable=False),
    Column("project_id", ID, nullable=False),
    Column("final", Boolean, nullable=False, comment="Not a heartbeat; the first one of a token counts"),
    Column("kind", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("output", DOCUMENT),
    Column("error", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("delivered", Boolean, nullable=False, comment="Its worker has heard of it"),
    PrimaryKeyConstraint("execution_id", "token", "final"),
    CheckConstraint("kind IN ('succeeded', 'failed', 'heartbeat')", name="kind"),
    comment="What somebody outside said about tasks that wait for it; no foreign key: the journal writes it",
)
