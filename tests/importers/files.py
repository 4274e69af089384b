"""The n8n files, their goldens, and what must hold for every import."""

import json
from pathlib import Path
from typing import Any

from shared.workflow.definition import WorkflowDefinition
from statemachines.importers.n8n import Imported, import_n8n

HERE = Path(__file__).parent
FILES = sorted((HERE / "n8n").glob("*.json"))
GOLDENS = HERE / "goldens"
NOT_YET = "compiler.not_implemented"


def export(name: str) -> dict[str, Any]:
    return json.loads((HERE / "n8n" / f"{name}.json").read_text())


def imported(name: str) -> Imported:
    return import_n8n(export(name))


def names_in(definition: dict[str, Any]) -> set[str]:
    """Names of all nodes, those of bodies included, without the mark of a placeholder."""
    found = set()
    for node in definition["nodes"]:
        found |= {node["name"], node["name"].partition(" - ")[2]}
        if node["type"] == "loop":
            found |= names_in(node["config"]["body"])
    return found


def assert_sound(found: Imported, names: set[str]) -> None:
    """Holds for every import: no node is lost, and the definition is one."""
    WorkflowDefinition.model_validate(found.definition)
    shown = names_in(found.definition) | {line.node for line in found.report}
    assert {
        name for name in names if name not in shown and name[:100] not in {str(each)[:100] for each in shown}
    } == set()
    placeholders = [node for node in nodes_of(found.definition) if node["name"].startswith("TODO n8n")]
    assert all("$error(" in node["config"]["output"] for node in placeholders)
    mistakes = [line for line in found.report if line.code.startswith("compiler.") and line.level == "todo"]
    assert [line for line in mistakes if line.code != NOT_YET] == []


def nodes_of(graph: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [nodes_of(node["config"]["body"]) for node in graph["nodes"] if node["type"] == "loop"]
    return [*graph["nodes"], *(node for nodes in inner for node in nodes)]
