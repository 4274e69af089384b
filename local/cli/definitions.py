"""Commands on workflow definitions: validate, compile, deploy, workflows."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cli.client import ApiError, MillraceClient
from local.cli.failures import ExitCode, Failed, explained, shape_of, tell, tell_diagnostic
from local.cli.patience import patiently
from local.cli.render import json_line
from local.cli.session import Session
from local.cli.shapes import Trigger, Workflow
from shared.errors import MillraceError
from shared.workflow.load import load_text

if TYPE_CHECKING:
    from statemachines.compiler import CompiledWorkflow

SECRET_VARIABLE = "MILLRACE_WEBHOOK_SECRET"  # noqa: S105 - the variable's name, not a secret


def validate(session: Session, files: list[Path]) -> ExitCode:
    """Checks definitions without a server; every mistake of every file at once."""
    results = [_validate_one(session, file) for file in files]
    return ExitCode.OK if all(results) else ExitCode.INVALID


def compile_file(session: Session, file: Path) -> ExitCode:
    """Prints the Amazon States Language that a definition becomes."""
    compiled = compiled_file(file)
    for warning in compiled.warnings:
        tell_diagnostic(shape_of(warning), session.err, file)
    session.value(compiled.asl)
    return ExitCode.OK


async def deploy(session: Session, file: Path, *, draft: bool, webhook: bool, verify: str) -> ExitCode:
    """Creates the workflow, or gives the one of its name a new version; activates it, and makes its webhook.

    Each step finds done what an earlier try did, so that all of them are repeated while the server is too busy.
    """
    secret = _secret(verify) if webhook else None
    definition = read_definition(file)

    async def steps() -> tuple[Workflow, Trigger | None]:
        workflow = await _create_or_update(client, definition)
        if not draft:
            workflow = workflow | await client.activate(workflow["id"])
        return workflow, await _webhook(client, workflow["id"], verify, secret) if webhook else None

    async with MillraceClient(session.url) as client:
        try:
            workflow, trigger = await patiently(session, steps)
        except ApiError as error:
            raise explained(error, file) from None
    _tell_deployed(session, file, workflow, trigger)
    return ExitCode.OK


async def workflows(session: Session, *, limit: int, cursor: str | None) -> ExitCode:
    """Lists workflows, newest first."""
    async with MillraceClient(session.url) as client:
        page = await client.workflows(limit=limit, cursor=cursor)
    if session.as_json:
        for workflow in page.items:
            json_line(workflow)
    else:
        columns = ("NAME", "STATUS", "VERSION", "UPDATED", "ID")
        rows = [(w["name"], w["status"], str(w["version"]), w["updated_at"], w["id"]) for w in page.items]
        session.rows(columns, rows)
    if page.next_cursor:
        session.note(f"There are more: --cursor {page.next_cursor}")
    return ExitCode.OK


def read_definition(file: Path) -> dict[str, Any]:
    """The document in a JSON or YAML file (`-`: standard input).

    Raises:
        Failed: it cannot be read, or is no mapping.
    """
    try:
        document = load_text(read_text(file))
    except MillraceError as error:
        raise explained(error, file) from None
    if not isinstance(document, dict):
        raise Failed(f"{file} does not hold a workflow definition: it is no mapping.", ExitCode.INVALID)
    return document


def read_text(file: Path) -> str:
    """The text of a file (`-`: standard input). Raises Failed where it cannot be read."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Failed(f"Cannot read {file}: {reason}.", ExitCode.INVALID) from None


def compiled_file(file: Path) -> "CompiledWorkflow":
    """What the definition in a file compiles to. Raises Failed, with every diagnostic."""
    from statemachines.compiler import compile_workflow  # noqa: PLC0415 - deploy and workflows need no compiler

    try:
        return compile_workflow(read_definition(file))
    except MillraceError as error:
        raise explained(error, file) from None


def _validate_one(session: Session, file: Path) -> bool:
    try:
        compiled = compiled_file(file)
    except Failed as failure:
        if session.as_json:
            found = list(failure.diagnostics) or [{"code": "file.unreadable", "path": "", "message": failure.message}]
            json_line({"file": str(file), "valid": False, "diagnostics": found})
        else:
            tell(failure, session.err)
        return False
    warnings = [shape_of(warning) for warning in compiled.warnings]
    if session.as_json:
        json_line({"file": str(file), "valid": True, "diagnostics": warnings})
        return True
    for warning in warnings:
        tell_diagnostic(warning, session.err, file)
    nodes, states = len(compiled.definition.nodes), len(compiled.source_map["states"])
    session.line(f"{file}: ok, {compiled.definition.name} has {nodes} nodes and compiles to {states} states")
    return True


def _secret(verify: str) -> str | None:
    if verify == "none":
        return None
    secret = os.environ.get(SECRET_VARIABLE)
    if not secret:
        hint = f"Set {SECRET_VARIABLE}; a secret on the command line would stay in the shell's history."
        raise Failed(f"--verify {verify} needs the signing secret.", ExitCode.INVALID, hint=hint)
    return secret


async def _create_or_update(client: MillraceClient, definition: dict[str, Any]) -> Workflow:
    existing = await client.find_by_name(str(definition.get("name", "")))
    if existing is None:
        return await client.create_workflow(definition)
    return await client.update_workflow(existing["id"], definition)


async def _webhook(client: MillraceClient, workflow_id: str, verify: str, secret: str | None) -> Trigger:
    changes: dict[str, Any] = {"config": {"verification": {"scheme": verify}}}
    if secret is not None:
        changes["secret"] = secret
    for trigger in await client.triggers(workflow_id):
        if trigger["webhook"]:
            return await client.update_trigger(trigger["id"], changes)
    return await client.create_trigger(workflow_id, config=changes["config"], secret=secret)


def _tell_deployed(session: Session, file: Path, workflow: Workflow, trigger: Trigger | None) -> None:
    if session.as_json:
        json_line({"workflow": workflow, "trigger": trigger})
        return
    for warning in workflow.get("warnings", []):
        tell_diagnostic(warning, session.err, file)
    session.line(f"{workflow['name']} version {workflow['version']} is {workflow['status']} ({workflow['id']})")
    if trigger and trigger["webhook"]:
        session.line(f"webhook {trigger['webhook']['url']}")
    if workflow["status"] == "active":
        session.note(f"Run it: millrace run {workflow['name']} --input '{{}}' --follow")
