"""The project's event bus."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata
from shared.adapters.postgres.tables.triggers import triggers

events = Table(
    "events",
    metadata,
    Column("key", ID, primary_key=True, comment="Grows with the time when it was taken in"),
    Column("project_id", ID, nullable=False),
    Column("id", Text, nullable=False),
    Column("received_at", TIME, nullable=False),
    Column("depth", SmallInteger, nullable=False, comment="How many executions started by events led to it"),
    Column("document", DOCUMENT, nullable=False, comment="As patterns see it"),
    Column("digest", Text, nullable=False, comment="SHA-256, to tell a repeated event from another of its id"),
    UniqueConstraint("project_id", "id"),
    Index("ix_events_project_id_key", "project_id", "key"),
    comment="Published events: the archive; append-only until they are too old",
)

event_queue = Table(
    "event_queue",
    metadata,
    Column("key", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("claimable_at", TIME, nullable=False, comment="The end of the lease of who dispatches it"),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Index("ix_event_queue_claimable_at", "claimable_at", "key"),
    comment="Events that triggers have yet to see; narrow, since each row is written three times",
)

execution_outbox = Table(
    "execution_outbox",
    metadata,
    Column("execution_id", ID, nullable=False),
    Column("status", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("project_id", ID, nullable=False),
    PrimaryKeyConstraint("execution_id", "status", "at"),
    comment="Changes of executions that are to become events, written with the change; no foreign key: the hot path",
)

event_replays = Table(
    "event_replays",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("name", Text, nullable=False),
    Column("pattern", DOCUMENT),
    Column("trigger_ids", DOCUMENT, nullable=False),
    Column("starts_at", TIME, nullable=False),
    Column("ends_at", TIME, nullable=False),
    Column("status", Text, nullable=False),
    Column("cursor", ID, comment="Key of the last event that was looked at"),
    Column("scanned", Integer, nullable=False, server_default=text("0")),
    Column("delivered", Integer, nullable=False, server_default=text("0")),
    Column("created_at", TIME, nullable=False),
    Column("completed_at", TIME),
    Column("claimed_until", TIME),
    UniqueConstraint("project_id", "name"),
    CheckConstraint("status IN ('running', 'completed', 'cancelled')", name="status"),
    Index("ix_event_replays_project_id_id", "project_id", "id"),
    comment="Events of the archive that are handed to triggers once more",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("key", Text, nullable=False, comment="Idempotency key of the start that failed"),
    Column("stage", Text, nullable=False),
    Column("trigger_id", ID, comment="No foreign key: the trigger may be deleted since"),
    Column("workflow_id", ID),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("payload", DOCUMENT, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("execution_id", ID, comment="What a redrive started"),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    UniqueConstraint("project_id", "key"),
    CheckConstraint("status IN ('waiting', 'redriven', 'discarded')", name="status"),
    Index("ix_dead_letters_project_id_status_id", "project_id", "status", "id"),
    Index("ix_dead_letters_trigger_id_created_at", "trigger_id", "created_at"),
    comment="What could not be started, and why",
)

Index(
    "ix_triggers_event",
    triggers.c.project_id,
    postgresql_where=text("type = 'event' AND is_active"),
)
