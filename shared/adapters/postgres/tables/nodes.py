"""What the functions of nodes keep and use."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from shared.adapters.postgres.tables.base import DOCUMENT, ID, TIME, metadata

connections = Table(
    "connections",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, ForeignKey("projects.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("public", DOCUMENT, nullable=False, comment="What may be shown of the credentials"),
    Column("sealed", LargeBinary, nullable=False, comment="The credentials, as ciphertext"),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False),
    Column("grant", LargeBinary, comment="An authorisation that waits to be redeemed, as ciphertext"),
    UniqueConstraint("project_id", "name"),
    comment="Named credentials for other services",
)


agent_turns = Table(
    "agent_turns",
    metadata,
    Column("execution_id", ID, nullable=False),
    Column("node", Text, nullable=False),
    Column("iteration", Text, nullable=False, comment="Indices of the loops around the node"),
    Column("number", Integer, nullable=False),
    Column("project_id", ID, nullable=False),
    Column("messages", DOCUMENT, nullable=False),
    Column("output", DOCUMENT, nullable=False),
    Column("meta", DOCUMENT, nullable=False),
    PrimaryKeyConstraint("execution_id", "node", "iteration", "number"),
    comment="Finished turns of agents, so that no call of a model is paid for twice",
)


agent_memory = Table(
    "agent_memory",
    metadata,
    Column("id", ID, primary_key=True),
    Column("project_id", ID, nullable=False),
    Column("workflow_id", ID, nullable=False),
    Column("node", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("execution_id", ID, nullable=False),
    Column("messages", DOCUMENT, nullable=False),
    UniqueConstraint("project_id", "workflow_id", "node", "key", "execution_id"),
    comment="What agents said and were told, by execution; ids grow with time",
)


model_usage = Table(
    "model_usage",
    metadata,
    Column("project_id", ID, nullable=False),
    Column("day", Date, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("dollars", Float(53), nullable=False),
    PrimaryKeyConstraint("project_id", "day"),
    comment="What turns of agents took, by day (UTC)",
)
