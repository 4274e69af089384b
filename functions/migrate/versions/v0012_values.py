"""Values that workflows keep under keys."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.isolation import isolate

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "key_values",
        sa.Column("project_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(none_as_null=True)),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            comment="When the value is no longer there; NULL where it stays",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_key_values_project_id"),
        sa.PrimaryKeyConstraint("project_id", "key", name="pk_key_values"),
        comment="Values that workflows keep under keys",
    )
    op.create_index(
        "ix_key_values_expires_at",
        "key_values",
        ["project_id", "expires_at"],
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    isolate("key_values")
