"""Samples of deliveries."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

webhook_samples = Table(
    "webhook_samples",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("trigger_id", ID, ForeignKey("triggers.id", ondelete="CASCADE"), nullable=False),
    Column("received_at", TIME, nullable=False),
    Column("delivery", DOCUMENT, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("input", DOCUMENT),
    Column("problem", DOCUMENT),
    Index("ix_webhook_samples_trigger_id_id", "trigger_id", "id"),
    comment="The newest deliveries to the test URL of each webhook",
)
