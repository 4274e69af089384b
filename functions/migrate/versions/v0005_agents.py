"""What agents have done and remember."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "agent_turns",
        sa.Column("execution_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("iteration", sa.Text(), nullable=False, comment="Indices of the loops around the node"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("messages", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("output", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("meta", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "node", "iteration", "number", name="pk_agent_turns"),
        comment="Finished turns of agents, so that no call of a model is paid for twice",
    )
    op.create_table(
        "agent_memory",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("workflow_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("messages", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent_memory"),
        sa.UniqueConstraint(
            "project_id",
            "workflow_id",
            "node",
            "key",
            "execution_id",
            name="uq_agent_memory_project_id_workflow_id_node_key_execution_id",
        ),
        comment="What agents said and were told, by execution; ids grow with time",
    )
