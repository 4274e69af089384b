"""The event bus: events, those yet to be dispatched, changes of executions, replays, dead letters."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.isolation import isolate

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False)
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Adds the tables, and finds the triggers that listen."""
    op.create_index(
        "ix_triggers_event",
        "triggers",
        ["project_id"],
        postgresql_where=sa.text("type = 'event' AND is_active"),
    )
    _events()
    _outbox()
    _replays()
    _dead_letters()
    for table in ("events", "event_queue", "execution_outbox", "event_replays", "dead_letters"):
        isolate(table)


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("key", ID, nullable=False, comment="Grows with the time when it was taken in"),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column(
            "depth", sa.SmallInteger(), nullable=False, comment="How many executions started by events led to it"
        ),
        sa.Column("document", DOCUMENT, nullable=False, comment="As patterns see it"),
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="SHA-256, to tell a repeated event from another of its id"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_events"),
        sa.UniqueConstraint("project_id", "id", name="uq_events_project_id_id"),
        comment="Published events: the archive; append-only until they are too old",
    )
    op.create_index("ix_events_project_id_key", "events", ["project_id", "key"])
    op.create_table(
        "event_queue",
        sa.Column("key", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("claimable_at", TIME, nullable=False, comment="The end of the lease of who dispatches it"),
        sa.Column("attempts", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("key", name="pk_event_queue"),
        comment="Events that triggers have yet to see; narrow, since each row is written three times",
    )
    op.create_index("ix_event_queue_claimable_at", "event_queue", ["claimable_at", "key"])


def _outbox() -> None:
    op.create_table(
        "execution_outbox",
        sa.Column("execution_id", ID, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "status", "at", name="pk_execution_outbox"),
        comment=(
            "Changes of executions that are to become events, written with the change; no foreign key: the hot path"
        ),
    )


def _replays() -> None:
    op.create_table(
        "event_replays",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("pattern", DOCUMENT),
        sa.Column("trigger_ids", DOCUMENT, nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cursor", ID, comment="Key of the last event that was looked at"),
        sa.Column("scanned", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("delivered", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("completed_at", TIME),
        sa.Column("claimed_until", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_event_replays"),
        sa.UniqueConstraint("project_id", "name", name="uq_event_replays_project_id_name"),
        sa.CheckConstraint("status IN ('running', 'completed', 'cancelled')", name=op.f("ck_event_replays_status")),
        comment="Events of the archive that are handed to triggers once more",
    )
    op.create_index("ix_event_replays_project_id_id", "event_replays", ["project_id", "id"])


def _dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="Idempotency key of the start that failed"),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("trigger_id", ID, comment="No foreign key: the trigger may be deleted since"),
        sa.Column("workflow_id", ID),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", DOCUMENT, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("execution_id", ID, comment="What a redrive started"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("project_id", "key", name="uq_dead_letters_project_id_key"),
        sa.CheckConstraint("status IN ('waiting', 'redriven', 'discarded')", name=op.f("ck_dead_letters_status")),
        comment="What could not be started, and why",
    )
    op.create_index("ix_dead_letters_project_id_status_id", "dead_letters", ["project_id", "status", "id"])
    op.create_index("ix_dead_letters_trigger_id_created_at", "dead_letters", ["trigger_id", "created_at"])
