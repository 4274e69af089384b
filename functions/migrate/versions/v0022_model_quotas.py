"""What a project's models take in a day, and how much they may."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.isolation import isolate

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table, and the project's bounds."""
    op.add_column("projects", sa.Column("max_tokens_per_day", sa.BigInteger(), comment="Days are those of UTC"))
    op.add_column("projects", sa.Column("max_dollars_per_day", sa.Float(53), comment="Days are those of UTC"))
    op.create_table(
        "model_usage",
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("dollars", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "day", name="pk_model_usage"),
        comment="What turns of agents took, by day (UTC)",
    )
    isolate("model_usage")
