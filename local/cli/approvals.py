"""Commands on approvals: list, approve, reject."""

import getpass
from typing import Any

from local.cli.client import MillraceClient
from local.cli.failures import ExitCode
from local.cli.render import json_line
from local.cli.session import Session


async def list_approvals(session: Session, *, status: str | None, limit: int) -> ExitCode:
    """Lists approvals, newest first."""
    async with MillraceClient(session.url) as client:
        found = await client.approvals(status=status, limit=limit)
    if session.as_json:
        for approval in found:
            json_line(approval)
    else:
        rows = [(a["id"], a["workflow"], a["node"], a["status"], a["title"], a["created_at"]) for a in found]
        session.rows(("ID", "WORKFLOW", "NODE", "STATUS", "TITLE", "CREATED"), rows)
    return ExitCode.OK


async def decide(session: Session, approval_id: str, *, approved: bool, comment: str, form: Any) -> ExitCode:
    """Approves or rejects, in the name of who signed in; with an API key, of the user of this machine."""
    async with MillraceClient(session.url) as client:
        by = None if (await client.me())["kind"] == "user" else getpass.getuser()
        answer = await client.decide(approval_id, approved=approved, by=by, comment=comment, form=form)
    if session.as_json:
        json_line(answer)
    else:
        session.line(f"{approval_id}: {answer['status']}")
    return ExitCode.OK
