"""The second wall between projects: row-level security, for the transactions of a request.

Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html

The owner of the tables is not held by the policies: the worker, the webhook receiver, the migrations and signing in
work across projects. A request that has a principal changes to the role `millrace_app` and names its project, both
until the end of the transaction, so that a pooled connection carries neither over.
"""

from dataclasses import asdict

import orjson

from shared.identity.principal import Actor, acting, acting_project

APP_ROLE = "millrace_app"
PROJECT_SETTING = "millrace.project_id"

ACTOR_SETTING = "millrace.actor"

_NAMED = f"SELECT set_config('{ACTOR_SETTING}', %s, true)"
_CONFINED = f"{_NAMED}, set_config('{PROJECT_SETTING}', %s, true), set_config('role', '{APP_ROLE}', true)"


def confinement() -> tuple[str, tuple[str, ...]] | None:
    """The statement, with its parameters, that shows a transaction the acting project's rows only, and names who acts
    to the audit log.

    Without an acting project every row shows; with nobody acting, the log names the platform itself.
    """
    project_id, actor = acting_project.get(), acting.get()
    if project_id is not None:
        return _CONFINED, (_text(actor), project_id)
    return None if actor is None else (_NAMED, (_text(actor),))


def _text(actor: Actor | None) -> str:
    return orjson.dumps(asdict(actor)).decode() if actor is not None else ""
