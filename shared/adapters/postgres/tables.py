"""The schema, as SQLAlchemy Core sees it. functions/migrate makes it; a test holds the two together.

Documents are `json`, not `jsonb`: nothing in SQL looks into them, they are read and written whole, `json` is cheaper to
write, and it takes every JSON text, where `jsonb` refuses strings with U+0000. What SQL filters by has a column.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.types import TypeEngine

UNFINISHED = "status IN ('queued', 'running')"

_ID: TypeEngine[str] = Uuid(as_uuid=False)
_DOCUMENT = JSON(none_as_null=True)
_TIME = DateTime(timezone=True)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

projects = Table(
    "projects",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=text("now()")),
    comment="What isolates one team's workflows from another's",
)

workflows = Table(
    "workflows",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project_id", _ID, ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("definition", _DOCUMENT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    CheckConstraint("status IN ('draft', 'active', 'paused', 'deleted')", name="status"),
    Index(
        "uq_workflows_project_id_name",
        "project_id",
        "name",
        unique=True,
        postgresql_where=text("status <> 'deleted'"),
    ),
    Index("ix_workflows_project_id_id", "project_id", "id"),
    comment="Workflows with their newest definition; deleted ones stay for their executions",
)

workflow_versions = Table(
    "workflow_versions",
    metadata,
    Column("workflow_id", _ID, ForeignKey("workflows.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("project_id", _ID, nullable=False),
    Column("definition", _DOCUMENT, nullable=False),
    Column("asl", _DOCUMENT, nullable=False),
    Column("source_map", _DOCUMENT, nullable=False),
    Column("digest", Text, nullable=False),
    Column("input_schema", _DOCUMENT, comment="From the definition: a delivery needs it without the rest"),
    Column("mode", Text, nullable=False, comment="From the definition, as input_schema"),
    Column("created_at", _TIME, nullable=False),
    PrimaryKeyConstraint("workflow_id", "version"),
    CheckConstraint("mode IN ('durable', 'express')", name="mode"),
    comment="Every published version, compiled; never changed",
)

workflow_executions = Table(
    "workflow_executions",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project_id", _ID, nullable=False),
    Column("workflow_id", _ID, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("trigger_id", _ID, comment="No foreign key: the trigger may be deleted since"),
    Column("input", _DOCUMENT),
    Column("context", _DOCUMENT, nullable=False, comment="What started it: trigger, correlation_id, delivery_id"),
    Column("result", _DOCUMENT),
    Column("error", _DOCUMENT, comment="name and cause, as Step Functions reports a failure"),
    Column("idempotency_key", Text),
    Column("request_digest", Text, comment="SHA-256 of the request, to tell a repeated one from another one"),
    Column("cancel_requested_at", _TIME),
    Column("worker", Text, comment="Who runs it, or ran it last"),
    Column("lease_until", _TIME, comment="When another worker may take it up, unless the lease is renewed"),
    Column("created_at", _TIME, nullable=False),
    Column("started_at", _TIME),
    Column("completed_at", _TIME),
    ForeignKeyConstraint(["workflow_id", "version"], ["workflow_versions.workflow_id", "workflow_versions.version"]),
    CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'timed_out', 'cancelled')", name="status"),
    CheckConstraint(f"({UNFINISHED}) = (completed_at IS NULL)", name="completed"),
    Index(
        "uq_workflow_executions_workflow_id_idempotency_key",
        "workflow_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
    Index("ix_workflow_executions_unfinished", "id", postgresql_where=text(UNFINISHED)),
    Index("ix_workflow_executions_project_id_id", "project_id", "id"),
    Index("ix_workflow_executions_project_id_status_id", "project_id", "status", "id"),
    Index("ix_workflow_executions_workflow_id_id", "workflow_id", "id"),
    comment="Accepted start requests, and what became of them",
)

execution_events = Table(
    "execution_events",
    metadata,
    Column("execution_id", _ID, nullable=False),
    Column("id", Integer, nullable=False),
    Column("previous_id", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("timestamp", _TIME, nullable=False),
    Column("details", _DOCUMENT, nullable=False),
    Column("project_id", _ID, nullable=False),
    PrimaryKeyConstraint("execution_id", "id"),
    comment="History of executions, in Step Functions' shape; append-only; no foreign key: it is the hottest table",
)

triggers = Table(
    "triggers",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project_id", _ID, nullable=False),
    Column("workflow_id", _ID, ForeignKey("workflows.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("config", _DOCUMENT, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    CheckConstraint("type IN ('webhook', 'schedule', 'event', 'polling', 'manual')", name="type"),
    Index("ix_triggers_workflow_id_id", "workflow_id", "id"),
    comment="What starts a workflow, and when",
)

webhook_registrations = Table(
    "webhook_registrations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project_id", _ID, nullable=False),
    Column("workflow_id", _ID, ForeignKey("workflows.id"), nullable=False),
    Column("trigger_id", _ID, ForeignKey("triggers.id", ondelete="CASCADE"), nullable=False),
    Column("path", Text, nullable=False),
    Column("secret", LargeBinary, comment="Ciphertext"),
    Column("config", _DOCUMENT, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", _TIME, nullable=False),
    UniqueConstraint("path"),
    UniqueConstraint("trigger_id"),
    Index("ix_webhook_registrations_project_id_id", "project_id", "id"),
    comment="Public paths of webhook triggers; paths are unique across projects, since the URL names none",
)

connections = Table(
    "connections",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project_id", _ID, ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("public", _DOCUMENT, nullable=False, comment="What may be shown of the credentials"),
    Column("sealed", LargeBinary, nullable=False, comment="The credentials, as ciphertext"),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    UniqueConstraint("project_id", "name"),
    comment="Named credentials for other services",
)

agent_turns = Table(
    "agent_turns",
    metadata,
    Column("execution_id", _ID, nullable=False),
    Column("node", Text, nullable=False),
    Column("iteration", Text, nullable=False, comment="Indices of the loops around the node"),
    Column("number", Integer, nullable=False),
    Column("project_id", _ID, nullable=False),
    Column("messages", _DOCUMENT, nullable=False),
    Column("output", _DOCUMENT, nullable=False),
    Column("meta", _DOCUMENT, nullable=False),
    PrimaryKeyConstraint("execution_id", "node", "iteration", "number"),
    comment="Finished turns of agents, so that no call of a model is paid for twice",
)

agent_memory = Table(
    "agent_memory",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project_id", _ID, nullable=False),
    Column("workflow_id", _ID, nullable=False),
    Column("node", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("execution_id", _ID, nullable=False),
    Column("messages", _DOCUMENT, nullable=False),
    UniqueConstraint("project_id", "workflow_id", "node", "key", "execution_id"),
    comment="What agents said and were told, by execution; ids grow with time",
)
