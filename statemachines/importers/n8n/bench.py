"""Where the definition grows: one bench for the workflow, and one for each loop's body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from statemachines.importers.n8n.document import Document, N8nNode
from statemachines.importers.n8n.graph import LinkGraph
from statemachines.importers.n8n.names import Ids
from statemachines.importers.n8n.result import Level, ReportLine
from statemachines.importers.n8n.values import Port, Value


@dataclass
class Session:
    """One import."""

    document: Document
    graph: LinkGraph
    ids: Ids = field(default_factory=Ids)
    report: list[ReportLine] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    """n8n name → id in the definition."""
    owner: dict[str, str] = field(default_factory=dict)
    """Id in the definition → n8n name."""
    values: dict[str, "Known"] = field(default_factory=dict)
    consumed: set[str] = field(default_factory=set)
    """Nodes that are part of another one, such as an agent's model."""
    placeholders: set[str] = field(default_factory=set)
    starts: set[str] = field(default_factory=set)
    """Nodes that a workflow without a trigger starts with."""

    def say(self, level: Level, code: str, message: str, node: N8nNode | None = None, todo: str | None = None) -> None:
        """Adds a line to the report."""
        name = node.name if node else None
        kind = node.type if node else None
        identifier = self.named.get(name) if name else None
        line = ReportLine(level, code, message, name, kind, identifier if identifier in self.owner else None, todo)
        if line not in self.report:
            self.report.append(line)


@dataclass(eq=False)
class Bench:
    """A graph of the definition in the making."""

    outer: "Bench | None" = None
    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)

    def add(self, node: Mapping[str, Any]) -> None:
        self.nodes.append(dict(node))

    def connect(self, port: Port, target: str) -> None:
        """An edge from a port to a node; none from the graph's start."""
        if port.edge is not None:
            edge = {"from": port.edge["from"], "to": target, **{k: v for k, v in port.edge.items() if k != "from"}}
            if edge not in self.edges:
                self.edges.append(edge)

    def sees(self, other: "Bench") -> bool:
        """Whether names of `other` are in scope here: it is this bench, or one around it."""
        bench: Bench | None = self
        while bench is not None:
            if bench is other:
                return True
            bench = bench.outer
        return False


@dataclass(frozen=True)
class Known:
    """The items of a node that has been translated, and where they are in scope."""

    value: Value
    bench: Bench
