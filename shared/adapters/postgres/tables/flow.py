"""Flow control: what is held, waits and runs of each key."""

from sqlalchemy import Column, Index, Integer, SmallInteger, Table, Text, UniqueConstraint, text

from shared.adapters.postgres.tables.base import ID, TIME, metadata

flow_entries = Table(
    "flow_entries",
    metadata,
    Column("execution_id", ID, primary_key=True, comment="No foreign key: executions are removed when they are old"),
    Column("project_id", ID, nullable=False),
    Column("workflow_id", ID, nullable=False),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False, comment="held, waiting, begun or ended"),
    Column("priority", SmallInteger, nullable=False),
    Column("size", Integer, nullable=False, comment="Arrivals that it stands for"),
    Column("bytes", Integer, nullable=False, comment="Of their inputs"),
    Column("first_at", TIME, nullable=False, comment="When the first of them arrived"),
    Column("queued_at", TIME, comment="When it began to wait"),
    Column("due_at", TIME, comment="When to look again, whatever happens until then"),
    Column("begun_at", TIME),
    Index("ix_flow_entries_workflow_id_key_state", "workflow_id", "key", "state"),
    Index("ix_flow_entries_due_at", "due_at", postgresql_where=text("state IN ('held', 'waiting')")),
    Index("ix_flow_entries_begun", "execution_id", postgresql_where=text("state = 'begun'")),
    comment="Executions that go through the flow control of their workflow",
)

flow_arrivals = Table(
    "flow_arrivals",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("workflow_id", ID, nullable=False),
    Column("key", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("execution_id", ID, nullable=False, comment="What stands for it"),
    Column("idempotency_key", Text),
    Column("request_digest", Text),
    UniqueConstraint("workflow_id", "idempotency_key"),
    Index("ix_flow_arrivals_workflow_id_key_at", "workflow_id", "key", "at"),
    Index("ix_flow_arrivals_at", "at"),
    comment="What arrived within the last day, for rate limits and to know again what was merged",
)
