"""The audit log. Only the database's own functions write it: functions/migrate/auditing.py."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text

from shared.adapters.postgres.tables.base import ID, TIME, metadata

_DIGEST = "SHA-256 of the row as JSON"

audit_log = Table(
    "audit_log",
    metadata,
    Column("project_id", ID, nullable=False),
    Column("seq", BigInteger, nullable=False, comment="1, 2, 3 … within the project"),
    Column("at", TIME, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text),
    Column("address", Text),
    Column("correlation_id", Text),
    Column("action", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text),
    Column("target_name", Text),
    Column("detail", Text),
    Column("before", Text, comment=_DIGEST),
    Column("after", Text, comment=_DIGEST),
    Column("previous", Text, nullable=False, comment="The hash of the entry before"),
    Column("hash", Text, nullable=False, comment="SHA-256 over everything else of the entry"),
    PrimaryKeyConstraint("project_id", "seq"),
    comment="Who did what to what; append-only, each entry chained to the one before",
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("project_id", ID, primary_key=True),
    Column("seq", BigInteger, nullable=False, autoincrement=False),
    Column("hash", Text, nullable=False),
    Column("pruned_seq", BigInteger, nullable=False, comment="The newest entry that retention removed"),
    Column("pruned_hash", Text, nullable=False),
    comment="The newest entry of each project's audit log",
)
