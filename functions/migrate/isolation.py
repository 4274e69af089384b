"""Row-level security, as migrations put it up.

A migration that makes a table with a `project_id` calls `isolate(<table>)` at its end; a test fails where one forgot.
"""

import sqlalchemy as sa
from alembic import op

APP_ROLE = "millrace_app"
POLICY = "of_project"
_CLOSED_AT_FIRST = ("alembic_version", "login_attempts", "refresh_tokens", "signing_keys")
CLOSED = (*_CLOSED_AT_FIRST, "user_identities")
"""What the role of requests may not touch: they belong to signing in, which happens before a project is known."""

_PROJECT = "NULLIF(current_setting('millrace.project_id', true), '')::uuid"


def isolate(table: str, column: str = "project_id") -> None:
    """Shows the role of requests only the rows of `table` whose `column` is the request's project."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    ours = f"({column} = {_PROJECT})"
    op.execute(f"CREATE POLICY {POLICY} ON {table} TO {APP_ROLE} USING {ours} WITH CHECK {ours}")


def isolate_every_table() -> None:
    """Makes the role, and isolates every table there is so far."""
    _make_role()
    having = (
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'project_id'"
    )
    for table in sorted(op.get_bind().execute(sa.text(having)).scalars()):
        isolate(table)
    isolate("projects", "id")
    _isolate_users()
    for table in _CLOSED_AT_FIRST:
        close(table)


def close(table: str) -> None:
    """Keeps the role of requests from the table; it is named in CLOSED."""
    op.execute(f"REVOKE ALL ON {table} FROM {APP_ROLE}")


def _make_role() -> None:
    """The role is the server's, not the database's: another database may have made it, even just now."""
    op.execute(
        f"""
        DO $$ BEGIN
            CREATE ROLE {APP_ROLE} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """
    )
    op.execute(f"GRANT {APP_ROLE} TO CURRENT_USER")
    for what in ("TABLES", "SEQUENCES"):
        rights = "SELECT, INSERT, UPDATE, DELETE" if what == "TABLES" else "USAGE, SELECT"
        op.execute(f"GRANT {rights} ON ALL {what} IN SCHEMA public TO {APP_ROLE}")
        op.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {rights} ON {what} TO {APP_ROLE}")


def _isolate_users() -> None:
    """A project sees its members. It may add people whom nobody knows yet, and change nobody."""
    op.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    members = "EXISTS (SELECT FROM memberships WHERE memberships.user_id = users.id)"
    op.execute(f"CREATE POLICY {POLICY} ON users FOR SELECT TO {APP_ROLE} USING ({members})")
    op.execute(f"CREATE POLICY new_user ON users FOR INSERT TO {APP_ROLE} WITH CHECK (true)")
