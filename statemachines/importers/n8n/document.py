"""n8n's export format, read without trusting any of it.

    {"name": …, "nodes": [{"id", "name", "type", "typeVersion", "position": [x, y], "parameters": {…}, …}],
     "connections": {<node name>: {"main": [[{"node": <name>, "type": "main", "index": 0}], …], "ai_tool": […]}},
     "settings": {…}, "pinData": {<node name>: [{"json": {…}}]}}

Source: https://docs.n8n.io/workflows/export-import/
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from shared.errors import Diagnostic, InvalidDefinition
from statemachines.compiler.document import unusable
from statemachines.importers.n8n.result import Level, ReportLine

MAX_NODES = 5_000
MAX_LINKS = 20_000
_FIX = "Export the workflow in n8n (⋯ → Download), and import that file."


@dataclass(frozen=True, eq=False)
class N8nNode:
    """One node. `name` is unique within the document; n8n's connections and expressions use it."""

    name: str
    type: str
    version: float
    parameters: dict[str, Any]
    raw: dict[str, Any]

    def get(self, path: str, otherwise: Any = None) -> Any:
        """The parameter at a dotted path, or `otherwise` where it is missing."""
        found: Any = self.parameters
        for step in path.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        return otherwise if found is None else found

    def text(self, path: str, otherwise: str = "") -> str:
        """The same, where it is text."""
        found = self.get(path)
        return found if isinstance(found, str) else otherwise

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The same, as a list of objects; what is none is left out."""
        found = self.get(path)
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    def flag(self, path: str, *, otherwise: bool = False) -> bool:
        """The same, as yes or no."""
        found = self.get(path)
        return found if isinstance(found, bool) else otherwise

    @property
    def disabled(self) -> bool:
        return self.raw.get("disabled") is True


class Link(NamedTuple):
    """From an output of one node to an input of another."""

    source: str
    output: int
    target: str
    input: int


@dataclass
class Document:
    """A workflow of n8n."""

    name: str
    nodes: dict[str, N8nNode]
    links: list[Link]
    """Of kind `main`, in n8n's order."""
    attached: dict[str, list[tuple[str, str]]]
    """Of a node: (kind, name) of those that are attached to it, such as an agent's model and tools."""
    settings: dict[str, Any]
    pinned: dict[str, list[Any]]
    report: list[ReportLine] = field(default_factory=list)


def read(document: object) -> Document:
    """The workflow in an export.

    Raises:
        InvalidDefinition: it is none, or cannot be kept as JSON. What is wrong with single nodes is in the report.
    """
    if problems := list(unusable(document)):
        raise InvalidDefinition(diagnostics=problems)
    raw = _workflow(document)
    found = Document(
        name=raw["name"] if isinstance(raw.get("name"), str) else "",
        nodes={},
        links=[],
        attached={},
        settings=raw["settings"] if isinstance(raw.get("settings"), dict) else {},
        pinned=dict(_pinned(raw.get("pinData"))),
    )
    _read_nodes(found, raw["nodes"])
    _read_links(found, raw.get("connections"))
    return found


def _workflow(document: object) -> dict[str, Any]:
    """The workflow itself, which some exports wrap."""
    if isinstance(document, list) and len(document) == 1:
        return _workflow(document[0])
    if isinstance(document, list) and document:
        _refuse(f"The file holds a list of {len(document)} entries; one workflow is imported at a time.")
    if isinstance(document, dict):
        for key in ("workflow", "data"):
            inner = document.get(key)
            if "nodes" not in document and isinstance(inner, dict):
                return _workflow({"name": document.get("name"), **inner})
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        _refuse("This is no n8n workflow: it has no list of `nodes`.")
    if not document["nodes"]:
        _refuse("The n8n workflow has no nodes.", "nodes")
    if len(document["nodes"]) > MAX_NODES:
        _refuse(f"The n8n workflow has {len(document['nodes'])} nodes; {MAX_NODES} are allowed.", "nodes")
    return document


def _refuse(message: str, path: str = "") -> NoReturn:
    raise InvalidDefinition(diagnostics=[Diagnostic("import.not_n8n", path, message, fix=_FIX)])


def _pinned(raw: Any) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(raw, dict):
        for name, items in raw.items():
            if isinstance(items, list):
                yield name, [each.get("json", each) if isinstance(each, dict) else each for each in items]


def _read_nodes(found: Document, raw: list[Any]) -> None:
    for index, each in enumerate(raw):
        if not isinstance(each, dict):
            message = f"nodes[{index}] is no object and was left out."
            found.report.append(ReportLine(Level.TODO, "node.unreadable", message, node=f"nodes[{index}]"))
            continue
        name = each.get("name")
        if not isinstance(name, str) or not name:
            name = f"nodes[{index}]"
        if name in found.nodes:
            other = name
            name = next(
                free for number in range(2, MAX_NODES + 3) if (free := f"{other} ({number})") not in found.nodes
            )
            message = f"A second node is called '{other}'; here it is '{name}', and connections mean the first one."
            found.report.append(ReportLine(Level.CHECK, "node.duplicate_name", message, node=name))
        version = each.get("typeVersion")
        found.nodes[name] = N8nNode(
            name=name,
            type=each["type"] if isinstance(each.get("type"), str) else "",
            version=float(version) if isinstance(version, int | float) and not isinstance(version, bool) else 1.0,
            parameters=each["parameters"] if isinstance(each.get("parameters"), dict) else {},
            raw=each,
        )


def _read_links(found: Document, raw: Any) -> None:
    lost: set[str] = set()
    seen: set[Link] = set()
    for source, kinds in raw.items() if isinstance(raw, dict) else ():
        for kind, outputs in kinds.items() if isinstance(kinds, dict) else ():
            for output, target, index in _ends(outputs):
                if source not in found.nodes or target not in found.nodes:
                    lost.add(source if source not in found.nodes else target)
                elif kind != "main":
                    found.attached.setdefault(target, []).append((kind, source))
                elif (link := Link(source, output, target, index)) not in seen and len(seen) < MAX_LINKS:
                    seen.add(link)
                    found.links.append(link)
    for name in sorted(lost):
        message = f"Connections name a node '{name[:100]}', which is not there; they were left out."
        found.report.append(ReportLine(Level.CHECK, "connection.lost", message))


def _ends(outputs: Any) -> Iterator[tuple[int, str, int]]:
    """(output, target, input) of every connection of one kind."""
    for output, ends in enumerate(outputs) if isinstance(outputs, list) else ():
        for end in ends if isinstance(ends, list) else ():
            if isinstance(end, dict) and isinstance(end.get("node"), str):
                index = end.get("index")
                yield output, end["node"], index if isinstance(index, int) and 0 <= index < MAX_NODES else 0
