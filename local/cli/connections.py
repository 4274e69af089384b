"""Commands on connections: list, set, test, authorize, delete."""

from typing import Any

from local.cli.client import MillraceClient
from local.cli.failures import ExitCode, Failed
from local.cli.render import json_line
from local.cli.session import Session


async def show_all(session: Session) -> ExitCode:
    """Lists connections by name."""
    async with MillraceClient(session.url) as client:
        found = await client.connections()
    if session.as_json:
        for connection in found:
            json_line(connection)
    else:
        rows = [(each["name"], each["kind"], each["updated_at"]) for each in found]
        session.rows(("NAME", "KIND", "UPDATED"), rows)
    return ExitCode.OK


async def put(session: Session, name: str, credentials: Any) -> ExitCode:
    """Makes one, or replaces the credentials of the one of this name."""
    async with MillraceClient(session.url) as client:
        had = [each for each in await client.connections() if each["name"] == name]
        stored = await client.put_connection(name, credentials, had[0]["id"] if had else None)
    if session.as_json:
        json_line(stored)
    else:
        session.line(f"{name}: {stored['kind']}")
        if stored["kind"] == "oauth2_authorization_code":
            session.note(f"Somebody has to give it access: millrace connections authorize {name}")
    return ExitCode.OK


async def try_out(session: Session, name: str, get: str | None) -> ExitCode:
    """Tries one; not OK where the service does not take the credentials."""
    async with MillraceClient(session.url) as client:
        outcome = await client.test_connection(await _id_of(client, name), get)
    if session.as_json:
        json_line(outcome)
    else:
        session.line(f"{name}: {outcome['checked'] if outcome['ok'] else outcome['message']}")
    return ExitCode.OK if outcome["ok"] else ExitCode.REFUSED


async def authorize(session: Session, name: str) -> ExitCode:
    """Prints the link."""
    async with MillraceClient(session.url) as client:
        asked = await client.authorize_connection(await _id_of(client, name))
    if session.as_json:
        json_line(asked)
    else:
        session.line(asked["url"])
        session.note(f"Good for {asked['expires_in'] // 60} minutes. The service must know: {asked['redirect_uri']}")
    return ExitCode.OK


async def delete(session: Session, name: str) -> ExitCode:
    """Removes one."""
    async with MillraceClient(session.url) as client:
        await client.delete_connection(await _id_of(client, name))
    return ExitCode.OK


async def _id_of(client: MillraceClient, name: str) -> str:
    found = await client.connections()
    for each in found:
        if each["name"] == name:
            return str(each["id"])
    known = ", ".join(each["name"] for each in found) or "none"
    raise Failed(f"There is no connection '{name}'. There are: {known}.", ExitCode.INVALID)
