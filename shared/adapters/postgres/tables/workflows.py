"""Projects and their workflows."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

projects = Table(
    "projects",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", TIME, nullable=False, server_default=text("now()")),
    Column(
        "organisation_id",
        ID,
        ForeignKey("organisations.id"),
        nullable=False,
        server_default="00000000-0000-7000-8000-000000000002",
    ),
    Column("max_concurrency", Integer),
    Column("max_executions_per_day", Integer, comment="Days are those of UTC"),
    Column("max_tokens_per_day", BigInteger, comment="Days are those of UTC"),
    Column("max_dollars_per_day", Float(53), comment="Days are those of UTC"),
    comment="What isolates one team's workflows from another's",
)


workflows = Table(
    "workflows",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("definition", DOCUMENT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
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
    Column("workflow_id", ID, ForeignKey("workflows.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("project_id", ID, nullable=False),
    Column("definition", DOCUMENT, nullable=False),
    Column("asl", DOCUMENT, nullable=False),
    Column("source_map", DOCUMENT, nullable=False),
    Column("digest", Text, nullable=False),
    Column("input_schema", DOCUMENT, comment="From the definition: a delivery needs it without the rest"),
    Column("mode", Text, nullable=False, comment="From the definition, as input_schema"),
    Column("max_concurrency", Integer, comment="From the definition, as input_schema"),
    Column("flow_control", DOCUMENT, comment="From the definition, as input_schema"),
    Column("created_at", TIME, nullable=False),
    PrimaryKeyConstraint("workflow_id", "version"),
    CheckConstraint("mode IN ('durable', 'express')", name="mode"),
    comment="Every published version, compiled; never changed",
)
