"""Bulk runs. Their executions are in the table of executions, under ids that follow from theirs."""

from sqlalchemy import Boolean, Column, Index, Integer, SmallInteger, Table, Text, text

from shared.adapters.postgres.tables.base import ID, TIME, metadata

bulk_runs = Table(
    "bulk_runs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("workflow_id", ID, nullable=False),
    Column("version", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("submitted", Integer, nullable=False),
    Column("max_in_flight", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("cancel_requested_at", TIME),
    Column("closed", Boolean, nullable=False, comment="Nothing is left to hand to the queue"),
    Column("idempotency_key", Text),
    Column("request_digest", Text, comment="SHA-256 of the inputs, to tell a repeated request from another one"),
    Column("worker", Text, comment="Who hands its inputs to the queue"),
    Column("claimed_until", TIME),
    Index("uq_bulk_runs_workflow_id_idempotency_key", "workflow_id", "idempotency_key", unique=True),
    Index("ix_bulk_runs_open", "id", postgresql_where=text("NOT closed")),
    Index("ix_bulk_runs_project_id_id", "project_id", "id"),
    comment="One workflow started once for each of a list of inputs",
)
