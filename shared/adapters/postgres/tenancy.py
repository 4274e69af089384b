"""The second wall between projects: row-level security, for the transactions of a request.

Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html

The owner of the tables is not held by the policies: the worker, the webhook receiver, the migrations and signing in
work across projects. A request that has a principal changes to the role `millrace_app` and names its project, both
until the end of the transaction, so that a pooled connection carries neither over.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.identity.principal import acting_project

APP_ROLE = "millrace_app"
PROJECT_SETTING = "millrace.project_id"

_CONFINE = text(f"SELECT set_config('{PROJECT_SETTING}', :project_id, true), set_config('role', '{APP_ROLE}', true)")


async def confine(connection: AsyncConnection) -> None:
    """Shows this transaction the acting project's rows only; without an acting project it does nothing."""
    project_id = acting_project.get()
    if project_id is not None:
        await connection.execute(_CONFINE, {"project_id": project_id})
