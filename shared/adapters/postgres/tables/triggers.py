"""What starts workflows."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

triggers = Table(
    "triggers",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("workflow_id", ID, ForeignKey("workflows.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("config", DOCUMENT, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    CheckConstraint("type IN ('webhook', 'schedule', 'event', 'polling', 'manual')", name="type"),
    Index("ix_triggers_workflow_id_id", "workflow_id", "id"),
    comment="What starts a workflow, and when",
)


webhook_registrations = Table(
    "webhook_registrations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("workflow_id", ID, ForeignKey("workflows.id"), nullable=False),
    Column("trigger_id", ID, ForeignKey("triggers.id", ondelete="CASCADE"), nullable=False),
    Column("path", Text, nullable=False),
    Column("secret", LargeBinary, comment="Ciphertext"),
    Column("config", DOCUMENT, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", TIME, nullable=False),
    UniqueConstraint("path"),
    UniqueConstraint("trigger_id"),
    Index("ix_webhook_registrations_project_id_id", "project_id", "id"),
    comment="Public paths of webhook triggers; paths are unique across projects, since the URL names none",
)
