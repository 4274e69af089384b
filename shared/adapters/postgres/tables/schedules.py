"""Triggers that fire by the clock."""

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text, text

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata
from shared.adapters.postgres.tables.executions import workflow_executions
from shared.adapters.postgres.tables.triggers import triggers

trigger_state = Table(
    "trigger_state",
    metadata,
    Column("trigger_id", ID, ForeignKey("triggers.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("planned_for", TIME, comment="updated_at of the trigger that document and due_at were made for"),
    Column("due_at", TIME, comment="When it has to be looked at; NULL where nothing is to come"),
    Column("document", DOCUMENT, comment="What its type remembers"),
    Column("claim", Text, comment="Who looks at it now"),
    Column("claimed_until", TIME),
    Index("ix_trigger_state_due_at", "due_at"),
    comment="When schedules and polls are due, and what they remember",
)

poll_sources = Table(
    "poll_sources",
    metadata,
    Column("project_id", ID, nullable=False),
    Column("source", Text, nullable=False),
    Column("next_at", TIME, nullable=False),
    PrimaryKeyConstraint("project_id", "source"),
    comment="When the next poll of a source with a rate limit may be made",
)

Index(
    "ix_triggers_timed",
    triggers.c.type,
    triggers.c.id,
    postgresql_where=text("type IN ('schedule', 'polling') AND is_active"),
)

Index(
    "ix_workflow_executions_trigger_id_unfinished",
    workflow_executions.c.trigger_id,
    postgresql_where=text("completed_at IS NULL AND trigger_id IS NOT NULL"),
)
