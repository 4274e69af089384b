"""Commands on executions: run, executions, execution, logs, cancel, redrive."""

import asyncio
from contextlib import aclosing
from typing import Any

from rich.text import Text

from local.cli.client import MillraceClient
from local.cli.failures import ExitCode, Failed
from local.cli.render import duration, follow, json_line, node_line, symbol, why
from local.cli.session import Session
from local.cli.shapes import TERMINAL, Execution, LogLine, Workflow
from shared.ids import is_id

LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "debug": "dim"}


async def run(
    session: Session, name: str, data: Any, *, following: bool, key: str | None, replay: str | None = None
) -> ExitCode:
    """Starts an execution by the workflow's name; with `following` shows it until it ends."""
    async with MillraceClient(session.url) as client:
        workflow_id = await workflow_id_of(client, name)
        started = await client.execute(workflow_id, data, idempotency_key=key, replay=replay)
        execution_id = started["execution_id"]
        if started["duplicate"]:
            session.note(f"The idempotency key was used before; nothing new was started, this is {execution_id}.")
        if not following:
            if session.as_json:
                json_line(started)
            else:
                session.line(execution_id)
                session.note(f"Follow it: millrace logs -f {execution_id}")
            return ExitCode.OK
        session.note(f"{name} {execution_id}")
        execution = await _followed(session, client, execution_id)
    _tell_outcome(session, execution)
    return _code(execution)


async def list_executions(
    session: Session, *, workflow: str | None, status: str | None, limit: int, cursor: str | None
) -> ExitCode:
    """Lists executions, newest first."""
    async with MillraceClient(session.url) as client:
        workflow_id = await workflow_id_of(client, workflow) if workflow else None
        page = await client.executions(workflow_id=workflow_id, status=status, limit=limit, cursor=cursor)
    if session.as_json:
        for execution in page.items:
            json_line(execution)
    else:
        columns = ("ID", "WORKFLOW", "STATUS", "CREATED", "DURATION")
        rows = [
            (e["id"], f"{e['workflow_name']} v{e['version']}", e["status"], e["created_at"], duration(e["duration_ms"]))
            for e in page.items
        ]
        session.rows(columns, rows)
    if page.next_cursor:
        session.note(f"There are more: --cursor {page.next_cursor}")
    return ExitCode.OK


async def show(session: Session, execution_id: str) -> ExitCode:
    """Shows one execution with its nodes."""
    async with MillraceClient(session.url) as client:
        execution = await client.execution(execution_id)
    if session.as_json:
        json_line(execution)
        return ExitCode.OK
    session.line(f"{execution['workflow_name']} v{execution['version']}  {execution['id']}")
    session.line(f"created {execution['created_at']}  correlation id {execution['correlation_id']}")
    for node in execution.get("nodes", []):
        session.out.print(node_line({**node}), soft_wrap=True)
    _tell_outcome(session, execution)
    return ExitCode.OK


async def logs(
    session: Session, execution_id: str, *, level: str | None, node: str | None, following: bool
) -> ExitCode:
    """Shows log lines, oldest first; with `following` until the execution ends."""
    tail = _Tail(session, execution_id, level, node)
    async with MillraceClient(session.url) as client:
        await tail.catch_up(client)
        if following:
            async with aclosing(client.watch(execution_id)) as changes:
                async for _ in changes:
                    await tail.catch_up(client)
    return ExitCode.OK


async def cancel(session: Session, execution_id: str) -> ExitCode:
    """Asks for an execution to be stopped."""
    async with MillraceClient(session.url) as client:
        answer = await client.cancel(execution_id)
    if session.as_json:
        json_line(answer)
    else:
        told = "cancelled" if answer["status"] == "cancelled" else "cancellation requested"
        session.line(f"{execution_id}: {told}")
    return ExitCode.OK


async def redrive(session: Session, execution_id: str) -> ExitCode:
    """Lets an execution go on from where it failed."""
    async with MillraceClient(session.url) as client:
        answer = await client.redrive(execution_id)
    if session.as_json:
        json_line(answer)
    else:
        session.line(f"{execution_id}: goes on")
        session.note(f"Follow it: millrace logs -f {execution_id}")
    return ExitCode.OK


class _Tail:
    """Prints the log lines of an execution that it has not printed yet."""

    def __init__(self, session: Session, execution_id: str, level: str | None, node: str | None) -> None:
        self._session, self._execution_id = session, execution_id
        self._level, self._node = level, node
        self._since: str | None = None
        self._seen: set[str] = set()

    async def catch_up(self, client: MillraceClient) -> None:
        lines = client.logs(self._execution_id, level=self._level, node=self._node, since=self._since)
        async for line in lines:
            if line["id"] not in self._seen:
                self._show(line)

    def _show(self, line: LogLine) -> None:
        if line["timestamp"] != self._since:
            self._since, self._seen = line["timestamp"], set()
        self._seen.add(line["id"])
        if self._session.as_json:
            json_line(line)
            return
        style = LEVEL_STYLES.get(line["level"], "")
        text = Text.assemble((line["timestamp"], "dim"), f" {line['level'].upper():<7} ", style=style)
        text.append(f"{line['node'] or '-':<20} ", "cyan").append(line["message"])
        self._session.out.print(text, soft_wrap=True)


async def _followed(session: Session, client: MillraceClient, execution_id: str) -> Execution:
    try:
        return await follow(client, execution_id, session.err, as_json=session.as_json)
    except asyncio.CancelledError:  # Ctrl-C
        session.note(f"The execution goes on. Stop it: millrace cancel {execution_id}")
        raise


async def workflow_id_of(client: MillraceClient, name: str) -> str:
    """The id of the workflow of this name, or the id that was given. Raises Failed where there is none."""
    if is_id(name):
        return name
    workflow: Workflow | None = await client.find_by_name(name)
    if workflow is None:
        hint = "`millrace workflows` lists them; `millrace deploy FILE` adds one."
        raise Failed(f"There is no workflow named '{name}' at {client.base_url}.", ExitCode.REFUSED, hint=hint)
    return workflow["id"]


def _tell_outcome(session: Session, execution: Execution) -> None:
    """How the execution stands on standard error, its output on standard output."""
    if session.as_json:
        json_line({"event": "result", **execution})
        return
    mark, style = symbol(execution["status"], utf8=session.err.encoding.lower().startswith("utf"))
    took = duration(execution["duration_ms"])
    told = Text.assemble((f"{mark} {execution['status']}", style), f" in {took}" if took else "")
    if execution["error"]:
        told.append(f": {why({**execution['error']})}")
    session.err.print(told, soft_wrap=True)
    if execution["status"] == "succeeded":
        session.value(execution.get("output"))


def _code(execution: Execution) -> ExitCode:
    ended_well = execution["status"] == "succeeded" or execution["status"] not in TERMINAL
    return ExitCode.OK if ended_well else ExitCode.EXECUTION_FAILED
