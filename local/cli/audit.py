"""Commands on the audit log: list, export, verify."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from local.cli.client import MillraceClient
from local.cli.failures import ExitCode, Failed
from local.cli.render import json_line
from local.cli.session import Session
from shared.audit import chain
from shared.audit.records import Entry, Head


async def list_entries(session: Session, wanted: dict[str, Any]) -> ExitCode:
    """Lists entries, newest first."""
    async with MillraceClient(session.url) as client:
        found = await client.audit_entries(wanted)
    if session.as_json:
        for entry in found:
            json_line(entry)
        return ExitCode.OK
    rows = [(e["at"], e["action"], _target(e), _actor(e), e["address"] or "", e["detail"] or "") for e in found]
    session.rows(("AT", "ACTION", "TARGET", "BY", "FROM", "DETAIL"), rows)
    return ExitCode.OK


async def export(session: Session) -> ExitCode:
    """Writes every entry as a line of JSON, oldest first."""
    async with MillraceClient(session.url) as client:
        async for line in client.audit_lines():
            session.line(line)
    return ExitCode.OK


async def verify(session: Session, noted: tuple[int, str] | None, file: Path | None) -> ExitCode:
    """Computes the chain anew; with `file`, of an export, of which only `noted` can tell where it should end.

    Raises:
        Failed: the file cannot be read.
    """
    if file is not None:
        entries = _of_file(file)
        return _told(session, await chain.verify(_each(entries), _head_of(entries), noted), _head_of(entries))
    async with MillraceClient(session.url) as client:
        head = Head(**await client.audit_head())
        return _told(session, await chain.verify(_of_server(client), head, noted), head)


def parsed(noted: str | None) -> tuple[int, str] | None:
    """NUMBER:HASH. Raises Failed where it is something else."""
    if noted is None:
        return None
    number, _, digest = noted.partition(":")
    if not number.isdecimal() or not digest:
        raise Failed(f"--noted is '{noted}'; it must be NUMBER:HASH, as verify gave it.", ExitCode.INVALID)
    return int(number), digest


def _told(session: Session, broken: chain.Broken | None, head: Head) -> ExitCode:
    result = {"whole": broken is None, "seq": head.seq, "hash": head.hash}
    if broken is not None:
        result |= {"broken_at": broken.seq, "reason": broken.reason}
    if session.as_json:
        session.value(result)
    elif broken is None:
        session.line(f"whole: {head.seq - head.pruned_seq} entries. Note the newest elsewhere: {head.seq}:{head.hash}")
    else:
        session.line(f"BROKEN at entry {broken.seq}: {broken.reason}.")
    return ExitCode.OK if broken is None else ExitCode.EXECUTION_FAILED


async def _of_server(client: MillraceClient) -> AsyncIterator[Entry]:
    async for line in client.audit_lines():
        yield _entry(line)


def _of_file(file: Path) -> list[Entry]:
    try:
        return [_entry(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Failed(f"{file} is not an export of the audit log: {error}.", ExitCode.INVALID) from None


def _head_of(entries: list[Entry]) -> Head:
    if not entries:
        return Head()
    return Head(entries[-1].seq, entries[-1].hash, entries[0].seq - 1, entries[0].previous)


async def _each(entries: list[Entry]) -> AsyncIterator[Entry]:
    for entry in entries:
        yield entry


def _entry(line: str) -> Entry:
    fields = orjson.loads(line)
    return Entry(**{**fields, "at": datetime.fromisoformat(fields["at"])})


def _target(entry: dict[str, Any]) -> str:
    return entry["target_name"] or entry["target_id"] or ""


def _actor(entry: dict[str, Any]) -> str:
    return " ".join(filter(None, (entry["actor_kind"], entry["actor_id"])))
