"""Commands on bulk runs: start, check, show, items, cancel, retry."""

import asyncio
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from local.cli.client import MillraceClient
from local.cli.executions import workflow_id_of
from local.cli.failures import ExitCode, Failed
from local.cli.render import duration, json_line, why
from local.cli.session import Session
from local.cli.shapes import BulkInputs
from shared.bulk.inputs import ENDINGS

_OBJECT = "object:"
_ENDED = ("completed", "cancelled")
_LOOK_SECONDS = 0.5


async def check(session: Session, workflow: str, source: str) -> ExitCode:
    """Says which inputs of the file or object could not start."""
    inputs = _inputs(source)
    async with MillraceClient(session.url) as client:
        found = await client.check_bulk(await workflow_id_of(client, workflow), inputs)
    if session.as_json:
        json_line(found)
    else:
        session.line(f"{found['valid']} inputs could start, {found['invalid']} could not.")
        for each in found["diagnostics"]:
            session.line(f"{each['path']}: {each['message']}")
    return ExitCode.INVALID if found["invalid"] else ExitCode.OK


async def start(session: Session, workflow: str, source: str, *, max_in_flight: int, following: bool) -> ExitCode:
    """Starts the workflow once for each input of the file or object."""
    inputs = _inputs(source)
    async with MillraceClient(session.url) as client:
        workflow_id = await workflow_id_of(client, workflow)
        bulk = await client.start_bulk(workflow_id, inputs, max_in_flight=max_in_flight)
        if following:
            return await _follow(session, client, bulk["id"])
    if session.as_json:
        json_line(bulk)
    else:
        session.line(bulk["id"])
        session.note(f"{bulk['total']} inputs. Follow them: millrace bulk show -f {bulk['id']}")
    return ExitCode.OK


async def show(session: Session, bulk_id: str, *, following: bool) -> ExitCode:
    """Shows how far it is; with `following`, until it has ended."""
    async with MillraceClient(session.url) as client:
        if following:
            return await _follow(session, client, bulk_id)
        _tell(session, await client.bulk(bulk_id))
    return ExitCode.OK


async def items(session: Session, bulk_id: str, *, failed: bool) -> ExitCode:
    """Lists every item."""
    statuses = ["failed", "timed_out"] if failed else []
    rows = []
    async with MillraceClient(session.url) as client:
        async for item in client.bulk_items(bulk_id, statuses):
            if session.as_json:
                json_line(item)
            rows.append(_row(item))
    if not session.as_json:
        session.rows(("INDEX", "EXECUTION", "STATUS", "DURATION", "ERROR"), rows)
    return ExitCode.OK


async def cancel(session: Session, bulk_id: str) -> ExitCode:
    """Stops it."""
    async with MillraceClient(session.url) as client:
        _tell(session, await client.cancel_bulk(bulk_id))
    return ExitCode.OK


async def retry(session: Session, bulk_id: str) -> ExitCode:
    """Lets its failed executions go on."""
    async with MillraceClient(session.url) as client:
        answer = await client.retry_bulk(bulk_id)
    if session.as_json:
        json_line(answer)
    else:
        session.line(f"{answer['redriven']} executions go on from where they failed.")
    return ExitCode.OK


async def _follow(session: Session, client: MillraceClient, bulk_id: str) -> ExitCode:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=session.err, transient=True) as progress:
        task = progress.add_task("running", total=None)
        while (bulk := await client.bulk(bulk_id))["status"] not in _ENDED:
            progress.update(task, description=bulk["status"], completed=_ended(bulk), total=bulk["total"])
            await asyncio.sleep(_LOOK_SECONDS)
    _tell(session, bulk)
    return ExitCode.OK if bulk["counts"]["succeeded"] == bulk["total"] else ExitCode.EXECUTION_FAILED


def _inputs(source: str) -> BulkInputs:
    if source.startswith(_OBJECT):
        return BulkInputs(object_key=source.removeprefix(_OBJECT))
    file = Path(source)
    media_type = ENDINGS.get(file.suffix.lower())
    if media_type is None:
        allowed = ", ".join(ENDINGS)
        raise Failed(f"Inputs are read from {allowed}, by the name of the file; this is {file.name}.", ExitCode.INVALID)
    try:
        return BulkInputs(file.read_bytes(), media_type)
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}.", ExitCode.INVALID) from None


def _ended(bulk: dict[str, Any]) -> int:
    return sum(count for status, count in bulk["counts"].items() if status not in ("queued", "running"))


def _tell(session: Session, bulk: dict[str, Any]) -> None:
    if session.as_json:
        json_line(bulk)
        return
    counts = ", ".join(f"{count} {status}" for status, count in bulk["counts"].items() if count)
    session.line(f"{bulk['id']}: {bulk['status']}; {bulk['submitted']} of {bulk['total']} submitted: {counts or '-'}")


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    error = why(item["error"]) if item["error"] else ""
    return (str(item["index"]), item["execution_id"], item["status"], duration(item["duration_ms"]), error)
