"""What Alembic runs around every migration. `core` hands the engine over; there is no alembic.ini."""

from alembic import context
from sqlalchemy import text

from shared.adapters.postgres.tables import metadata

_LOCK = 0x6D696C6C  # "mill"

with context.config.attributes["engine"].connect() as connection, connection.begin():
    # Two processes that start at once: the second waits here, and then finds nothing to do.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    context.run_migrations()
