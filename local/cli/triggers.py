"""Commands on triggers."""

from pathlib import Path
from typing import Any

from local.cli.client import MillraceClient
from local.cli.definitions import read_definition
from local.cli.executions import workflow_id_of
from local.cli.failures import ExitCode, Failed
from local.cli.render import json_line
from local.cli.session import Session
from local.cli.shapes import Trigger


async def show_all(session: Session, workflow: str) -> ExitCode:
    """Lists a workflow's triggers."""
    async with MillraceClient(session.url) as client:
        found = await client.triggers(await workflow_id_of(client, workflow))
    if session.as_json:
        for trigger in found:
            json_line(trigger)
    else:
        rows = [(each["id"], each["type"], _switched(each), _summary(each)) for each in found]
        session.rows(("ID", "TYPE", "STATE", "CONFIG"), rows)
    return ExitCode.OK


async def add(session: Session, workflow: str, file: Path) -> ExitCode:
    """Adds the trigger in the file, and prints its id alone, for scripts."""
    kind, config = _read(file)
    async with MillraceClient(session.url) as client:
        trigger = await client.create_trigger(await workflow_id_of(client, workflow), config=config, kind=kind)
    if session.as_json:
        json_line(trigger)
    else:
        session.line(trigger["id"])
    return ExitCode.OK


async def preview(session: Session, file: Path, count: int) -> ExitCode:
    """Shows when the trigger in the file would fire."""
    kind, config = _read(file)
    async with MillraceClient(session.url) as client:
        return _show_runs(session, await client.preview_trigger(kind, config, count))


async def next_runs(session: Session, trigger_id: str, count: int) -> ExitCode:
    """Shows when a stored trigger fires next."""
    async with MillraceClient(session.url) as client:
        return _show_runs(session, await client.next_runs(trigger_id, count))


async def state(session: Session, trigger_id: str) -> ExitCode:
    """Shows what a trigger remembers."""
    async with MillraceClient(session.url) as client:
        session.value(await client.trigger_state(trigger_id))
    return ExitCode.OK


async def switch(session: Session, trigger_id: str, *, on: bool) -> ExitCode:
    """Switches a trigger on or off."""
    async with MillraceClient(session.url) as client:
        trigger = await client.update_trigger(trigger_id, {"is_active": on})
    if session.as_json:
        json_line(trigger)
    else:
        session.line(f"{trigger_id}: {_switched(trigger)}")
    return ExitCode.OK


def _read(file: Path) -> tuple[str, dict[str, Any]]:
    document = read_definition(file)
    kind, config = document.get("type"), document.get("config", {})
    if not isinstance(kind, str) or not isinstance(config, dict) or document.keys() - {"type", "config"}:
        raise Failed(f"{file} does not hold a trigger: it has 'type' and 'config', and nothing else.", ExitCode.INVALID)
    return kind, config


def _show_runs(session: Session, runs: dict[str, Any]) -> ExitCode:
    if session.as_json:
        for each in runs["items"]:
            json_line(each)
    else:
        session.rows((runs["timezone"].upper(), "UTC"), [(each["local_time"], each["time"]) for each in runs["items"]])
    return ExitCode.OK


def _switched(trigger: Trigger) -> str:
    return "on" if trigger["is_active"] else "paused"


def _summary(trigger: Trigger) -> str:
    """What tells one trigger from another: when it fires, what it asks, its path."""
    config = trigger["config"]
    told = [str(config[name]) for name in ("path", "cron", "at", "timezone") if name in config]
    if "rate" in config:
        told.append(f"every {config['rate']['value']} {config['rate']['unit']}")
    if "interval_seconds" in config:
        told.append(f"every {config['interval_seconds']} seconds")
    if "source" in config:
        told.append(str(config["source"].get("url") or config["source"].get("tool")))
    return " ".join(told)
