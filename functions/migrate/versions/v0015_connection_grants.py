"""Authorisations that people gave to connections, until they are redeemed."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    comment = "An authorisation that waits to be redeemed, as ciphertext"
    op.add_column("connections", sa.Column("grant", sa.LargeBinary(), comment=comment))
