"""Who somebody is at the providers that they sign in through."""

import sqlalchemy as sa
from alembic import op

from functions.migrate.isolation import close

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

ID = sa.Uuid(as_uuid=False)


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "user_identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_identities_user_id"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_user_identities"),
        sa.UniqueConstraint("user_id", "issuer", name="uq_user_identities_user_id_issuer"),
        comment="Whom a provider means by its own name for them; bound when they first sign in through it",
    )
    close("user_identities")
