"""The workflows that both sides run: one YAML document each, in `workflows/`, and the examples.

A document is a workflow's definition and `runs`, a list of `{input, status, output, decide}`: what it is given, how it
ends (by default it succeeds), its output where that is worth saying, and what a person decides about its approvals.
`http://service` stands for a service of the workflow's own; see services.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.localstack.emulator import ROOT

SERVICE = "http://service"
WORKFLOWS = Path(__file__).parent / "workflows"
UNKNOWN = object()
"""An output that the document does not say: both sides must agree, whatever it is."""

ORDER = {"order": "A-1", "priority": 9, "items": [{"price": 5, "quantity": 2}, {"price": 1, "quantity": 4}]}
EXAMPLES: dict[str, list[Any]] = {
    "hello": [{"name": "Ada", "hour": 9}, {"name": "Bob", "hour": 20}],
    "w5": [{"body": ORDER}],
    "github-issue-triage": [{"body": json.loads((ROOT / "events" / "github-issues-opened.json").read_text())}],
    "from-n8n": [{"body": {"customer": " Ada ", "items": [{"price": 500, "quantity": 3}]}}],
}
"""What each example is given. `from-n8n` holds an export, which is imported first."""


@dataclass(frozen=True)
class Run:
    """One execution, and how it must end."""

    input: Any
    status: str = "succeeded"
    output: Any = UNKNOWN
    decide: dict[str, Any] | None = None


@dataclass(frozen=True)
class Workflow:
    """`definition` is what is created; of an example from elsewhere, `n8n` is what is imported in its place."""

    name: str
    definition: dict[str, Any]
    runs: tuple[Run, ...]
    n8n: bool = False

    def at(self, address: str) -> Any:
        """What is sent to create it, with the address of its service."""
        text = json.dumps(self.definition).replace(SERVICE, f"http://{address}")
        return json.loads(text.replace("127.0.0.1:8099", address))


def features() -> list[Workflow]:
    """Those of `workflows/`."""
    found = [_workflow(document) for path in sorted(WORKFLOWS.glob("*.yaml")) for document in _documents(path)]
    assert len({each.name for each in found}) == len(found), "two workflows have one name"
    return found


def examples() -> list[Workflow]:
    """Every folder of `examples/`."""
    return [_example(folder) for folder in sorted((ROOT / "examples").iterdir())]


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    for document in yaml.safe_load_all(path.read_text()):
        if document is not None:
            yield document


def _workflow(document: dict[str, Any]) -> Workflow:
    runs = tuple(Run(**{"input": {}, **run}) for run in document.pop("runs"))
    return Workflow(document["name"], document, runs)


def _example(folder: Path) -> Workflow:
    runs = tuple(Run(given) for given in EXAMPLES[folder.name])
    exported = folder / "orders.json"
    if exported.exists():
        return Workflow(folder.name, json.loads(exported.read_text()), runs, n8n=True)
    return Workflow(folder.name, yaml.safe_load((folder / "workflow.yaml").read_text()), runs)
