"""The main job of `make run`: a GitHub delivery goes through the example workflow, by the public API alone."""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.panel import Panel

from local.cli.client import MillraceClient
from local.cli.credentials import KEY_FILE, key_of
from local.cli.render import follow
from local.cli.shapes import Execution, Workflow
from shared.errors import ConfigInvalid
from shared.ids import new_id
from shared.workflow.load import load_text

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / "examples" / "github-issue-triage" / "workflow.yaml"
DELIVERY = ROOT / "events" / "github-issues-opened.json"
HEADERS = ROOT / "events" / "github-issues-opened.headers.json"

RECEIVER_PORT = 8099
RECEIVER_URL = f"http://127.0.0.1:{RECEIVER_PORT}"
"""Where the example's HTTP calls go; the demo puts its own receiver's address in when this port is taken."""


async def run_demo(base_url: str, receiver_url: str, data: Path, console: Console) -> bool:
    """Deploys the example, delivers the event, shows the run and its result; whether it succeeded."""
    async with MillraceClient(base_url, key=key_of(data)) as client:
        workflow = await _deploy(client, receiver_url)
        state = f"version {workflow['version']}, {workflow['status']}"
        console.print(f"[green]✓[/] workflow [bold]{workflow['name']}[/] ({state})")
        url, secret = await _webhook(client, workflow["id"])
        console.print(f"[green]✓[/] webhook {url} (checks X-Hub-Signature-256)", soft_wrap=True)
        execution_id = await _deliver(url, secret)
        console.print(f"[green]✓[/] delivered GitHub's issues.opened; execution {execution_id}\n", soft_wrap=True)
        execution = await follow(client, execution_id, console)
        _show(console, base_url, data, workflow, execution)
        return execution["status"] == "succeeded"


async def _deploy(client: MillraceClient, receiver_url: str) -> Workflow:
    definition = load_text(WORKFLOW.read_text().replace(RECEIVER_URL, receiver_url))
    if not isinstance(definition, dict):
        raise ConfigInvalid(f"{WORKFLOW.name} does not hold a workflow.")
    existing = await client.find_by_name(definition["name"])
    if existing is None:
        workflow = await client.create_workflow(definition)
    else:
        workflow = await client.update_workflow(existing["id"], definition)
    return await client.activate(workflow["id"])


async def _webhook(client: MillraceClient, workflow_id: str) -> tuple[str, str]:
    """The webhook's URL, and a signing secret that is fresh in every run: the stored one is never given out."""
    secret = secrets.token_hex(32)
    config = {"verification": {"scheme": "github"}}
    existing = [each for each in await client.triggers(workflow_id) if each["webhook"]]
    if existing:
        trigger = await client.update_trigger(existing[0]["id"], {"secret": secret})
    else:
        trigger = await client.create_trigger(workflow_id, config=config, secret=secret)
    if trigger["webhook"] is None:
        raise ConfigInvalid("The server made a webhook trigger without a webhook.")
    return trigger["webhook"]["url"], secret


async def _deliver(url: str, secret: str) -> str:
    """Posts the delivery as GitHub does, signed over the exact bytes; the id of the execution that it started."""
    body = DELIVERY.read_bytes()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    recorded: dict[str, str] = orjson.loads(HEADERS.read_bytes())
    headers = {**recorded, "X-GitHub-Delivery": new_id(), "X-Hub-Signature-256": f"sha256={signature}"}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(url, content=body, headers=headers)
    answer.raise_for_status()
    return str(answer.json()["execution_id"])


def _show(console: Console, base_url: str, data: Path, workflow: Workflow, execution: Execution) -> None:
    output = orjson.dumps(execution.get("output"), option=orjson.OPT_INDENT_2).decode()
    title = f"{execution['status']} in {execution['duration_ms']:.0f} ms" if execution["duration_ms"] else "result"
    console.print()
    console.print(Panel(output if execution["status"] == "succeeded" else str(execution["error"]), title=title))
    if any((node["meta"] or {}).get("stand_in") for node in execution.get("nodes", [])):
        console.print(
            "[yellow]The agent ran on demo:triage, a deterministic stand-in, not on a language model.[/] "
            "Set OPENAI_API_KEY or ANTHROPIC_API_KEY and run again for a real one."
        )
    here = f"{base_url}/api/executions/{execution['id']}"
    places = f"\nLook at it    {here}\nIts logs      {here}/logs\nAPI docs      {base_url}/docs\n\nTry next:"
    console.print(places, soft_wrap=True)
    console.print(_curl(base_url, data, workflow), soft_wrap=True, highlight=False, markup=False)


def _curl(base_url: str, data: Path, workflow: Workflow) -> str:
    issue: dict[str, Any] = {
        "number": 8,
        "title": "Typo in the docs",
        "body": "The word recieve on the first page.",
        "html_url": "https://github.com/octo-org/octo-repo/issues/8",
        "user": {"login": "you"},
        "labels": [],
    }
    body = {"action": "opened", "issue": issue, "repository": {"full_name": "octo-org/octo-repo"}}
    text = orjson.dumps({"input": {"body": body}}).decode()
    headers = f"-H 'Content-Type: application/json' -H \"Authorization: Bearer $(cat {data / KEY_FILE})\""
    return f"curl -s {base_url}/api/workflows/{workflow['id']}/execute {headers} -d '{text}'"
