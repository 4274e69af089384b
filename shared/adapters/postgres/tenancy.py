"""The second wall between projects: row-level security, for the transactions of a request.

Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html

The owner of the tables is not held by the policies: the worker, the webhook receiver, the migrations and signing in
work across projects. A request that has a principal changes to the role `millrace_app` and names its project, both
until the end of the transaction, so that a pooled connection carries neither over.
"""

from dataclasses import asdict

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.identity.principal import Actor, acting, acting_project

APP_ROLE = "millrace_app"
PROJECT_SETTING = "millrace.project_id"

ACTOR_SETTING = "millrace.actor"

_NAME = f"set_config('{ACTOR_SETTING}', :actor, true)"
_CONFINE = f"set_config('{PROJECT_SETTING}', :project_id, true), set_config('role', '{APP_ROLE}', true)"
_NAMED = text(f"SELECT {_NAME}")
_CONFINED = text(f"SELECT {_NAME}, {_CONFINE}")


async def confine(connection: AsyncConnection) -> None:
    """Shows this transaction the acting project's rows only, and names who acts to the audit log.

    Without an acting project every row shows; with nobody acting, the log names the platform itself.
    """
    project_id, actor = acting_project.get(), acting.get()
    if project_id is not None:
        await connection.execute(_CONFINED, {"actor": _text(actor), "project_id": project_id})
    elif actor is not None:
        await connection.execute(_NAMED, {"actor": _text(actor)})


def _text(actor: Actor | None) -> str:
    return orjson.dumps(asdict(actor)).decode() if actor is not None else ""
