"""Questions to people."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, LargeBinary, Table, Text, text

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

approvals = Table(
    "approvals",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("execution_id", ID, nullable=False),
    Column("workflow_id", ID, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("form_schema", DOCUMENT),
    Column("approvers", DOCUMENT, nullable=False),
    Column("sealed_token", LargeBinary, nullable=False, comment="The task token, as ciphertext"),
    Column("token_digest", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("approved", Boolean),
    Column("decided_by", Text),
    Column("decided_at", TIME),
    Column("comment", Text),
    Column("form", DOCUMENT),
    Column("delivered", Boolean, nullable=False, comment="The execution was told of the decision"),
    Column("created_at", TIME, nullable=False),
    CheckConstraint("status IN ('pending', 'approved', 'rejected', 'expired')", name="status"),
    CheckConstraint("(approved IS NULL) = (decided_at IS NULL)", name="decided"),
    Index("ix_approvals_project_id_status_id", "project_id", "status", "id"),
    Index("ix_approvals_execution_id", "execution_id"),
    Index("ix_approvals_undelivered", "id", postgresql_where=text("approved IS NOT NULL AND NOT delivered")),
    comment="Questions to people, which executions wait for, and the answers",
)
