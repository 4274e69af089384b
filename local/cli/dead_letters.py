"""Commands on dead letters: list, show, redrive, discard."""

from collections.abc import Sequence
from typing import Literal

from local.cli.client import MillraceClient
from local.cli.failures import ExitCode
from local.cli.render import json_line
from local.cli.session import Session


async def show_all(session: Session, *, status: str, trigger: str | None, limit: int) -> ExitCode:
    """Lists dead letters, newest first."""
    async with MillraceClient(session.url) as client:
        found = await client.dead_letters(status=status, trigger_id=trigger, limit=limit)
    if session.as_json:
        for letter in found:
            json_line(letter)
    else:
        rows = [(a["id"], a["stage"], a["code"], str(a["attempts"]), a["created_at"], a["reason"]) for a in found]
        session.rows(("ID", "STAGE", "CODE", "ATTEMPTS", "CREATED", "REASON"), rows)
    return ExitCode.OK


async def show(session: Session, letter_id: str) -> ExitCode:
    """Shows one in whole."""
    async with MillraceClient(session.url) as client:
        session.value(await client.dead_letter(letter_id))
    return ExitCode.OK


async def settle(session: Session, how: Literal["redrive", "discard"], letter_ids: Sequence[str]) -> ExitCode:
    """Starts them again or puts them aside, each by itself; not OK where one of them could not be."""
    async with MillraceClient(session.url) as client:
        answer = await client.settle_dead_letters(how, letter_ids)
    for each in answer["items"]:
        if session.as_json:
            json_line(each)
        else:
            session.line(f"{each['id']}: {each['error_message'] or each['execution_id'] or each['status']}")
    return ExitCode.REFUSED if answer["failed_count"] else ExitCode.OK
