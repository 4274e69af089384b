"""Values that workflows keep under keys."""

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text, text

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

key_values = Table(
    "key_values",
    metadata,
    Column("project_id", ID, ForeignKey("projects.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("value", DOCUMENT),
    Column("updated_at", TIME, nullable=False),
    Column("expires_at", TIME, comment="When the value is no longer there; NULL where it stays"),
    PrimaryKeyConstraint("project_id", "key"),
    comment="Values that workflows keep under keys",
)

Index(
    "ix_key_values_expires_at",
    key_values.c.project_id,
    key_values.c.expires_at,
    postgresql_where=text("expires_at IS NOT NULL"),
)
