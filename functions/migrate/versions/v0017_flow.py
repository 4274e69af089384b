"""Flow control of workflows."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.isolation import isolate

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Adds the tables, and what starting needs to know of a version."""
    about = sa.Column("flow_control", sa.JSON(none_as_null=True), comment="From the definition, as input_schema")
    op.add_column("workflow_versions", about)
    _entries()
    _arrivals()
    for table in ("flow_entries", "flow_arrivals"):
        isolate(table)


def _entries() -> None:
    op.create_table(
        "flow_entries",
        sa.Column(
            "execution_id", ID, nullable=False, comment="No foreign key: executions are removed when they are old"
        ),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("workflow_id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="held, waiting, begun or ended"),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False, comment="Arrivals that it stands for"),
        sa.Column("bytes", sa.Integer(), nullable=False, comment="Of their inputs"),
        sa.Column("first_at", TIME, nullable=False, comment="When the first of them arrived"),
        sa.Column("queued_at", TIME, comment="When it began to wait"),
        sa.Column("due_at", TIME, comment="When to look again, whatever happens until then"),
        sa.Column("begun_at", TIME),
        sa.PrimaryKeyConstraint("execution_id", name="pk_flow_entries"),
        comment="Executions that go through the flow control of their workflow",
    )
    op.create_index("ix_flow_entries_workflow_id_key_state", "flow_entries", ["workflow_id", "key", "state"])
    op.create_index(
        "ix_flow_entries_due_at",
        "flow_entries",
        ["due_at"],
        postgresql_where=sa.text("state IN ('held', 'waiting')"),
    )
    op.create_index(
        "ix_flow_entries_begun", "flow_entries", ["execution_id"], postgresql_where=sa.text("state = 'begun'")
    )


def _arrivals() -> None:
    op.create_table(
        "flow_arrivals",
        sa.Column("id", ID, nullable=False),
        sa.Column("project_id", ID, nullable=False),
        sa.Column("workflow_id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("execution_id", ID, nullable=False, comment="What stands for it"),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("request_digest", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_flow_arrivals"),
        sa.UniqueConstraint("workflow_id", "idempotency_key", name="uq_flow_arrivals_workflow_id_idempotency_key"),
        comment="What arrived within the last day, for rate limits and to know again what was merged",
    )
    op.create_index("ix_flow_arrivals_workflow_id_key_at", "flow_arrivals", ["workflow_id", "key", "at"])
    op.create_index("ix_flow_arrivals_at", "flow_arrivals", ["at"])
