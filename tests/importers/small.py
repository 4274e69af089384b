"""Small n8n workflows for tests of single rules."""

from typing import Any

from statemachines.importers.n8n import Imported, import_n8n
from tests.importers.files import assert_sound

BASE = "n8n-nodes-base."
START = ("Start", "manualTrigger", 1, {})


def assigned(**fields: Any) -> dict[str, Any]:
    """Parameters of Edit Fields that keep the other fields."""
    rows = [{"name": name, "type": "any", "value": value} for name, value in fields.items()]
    return {"assignments": {"assignments": rows}, "includeOtherFields": True}


def document(nodes: list[tuple[Any, ...]], links: str, **more: Any) -> dict[str, Any]:
    """An export. Each node is (name, type, version, parameters, other members); links are `A>B`, `A.1>B.2`."""
    made = [
        {
            "name": name,
            "type": BASE + kind,
            "typeVersion": version,
            "parameters": parameters,
            **(rest[0] if rest else {}),
        }
        for name, kind, version, parameters, *rest in nodes
    ]
    connections: dict[str, Any] = {}
    for link in links.split():
        (source, _, output), (target, _, index) = (end.partition(".") for end in link.split(">"))
        outputs = connections.setdefault(source, {}).setdefault("main", [])
        outputs.extend([] for _ in range(int(output or 0) + 1 - len(outputs)))
        outputs[int(output or 0)].append({"node": target, "type": "main", "index": int(index or 0)})
    return {"name": "test", "nodes": made, "connections": connections, **more}


def translate(nodes: list[tuple[Any, ...]], links: str, **more: Any) -> Imported:
    found = import_n8n(document([START, *nodes], links, **more))
    assert_sound(found, {"Start", *(node[0] for node in nodes)})
    return found


def codes(found: Imported, node: str | None = None) -> set[str]:
    return {line.code for line in found.report if node in (None, line.node)}


SPLIT = ("Split", "splitOut", 1, {"fieldToSplitOut": "rows"})
COLLECT = ("Collect", "aggregate", 1, {"aggregate": "aggregateAllItemData"})
ROWS = {"rows": [{"n": 1}, {"n": 2}, {"n": 3}]}


def number(left: str, operation: str, right: float) -> dict[str, Any]:
    """One condition of version 2 on a number."""
    return {"leftValue": left, "rightValue": right, "operator": {"type": "number", "operation": operation}}
