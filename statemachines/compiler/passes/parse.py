"""Parsing: a JSON document to a graph of typed nodes.

Before:  {"nodes": [{"id": "a", "type": "transfrom", …}, {"id": "b", "type": "delay", "config": {"second": 5}}], …}
After:   nodes a (broken) and b (broken), and two diagnostics: `node.type_unknown` at nodes[0].type (did you mean
         'transform'?) and `field.unknown` at nodes[1].config.second (did you mean 'seconds'?)

Every node and every edge is read on its own, so that one bad node hides neither the mistakes of the others nor its
own id.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.workflow.definition import Edge, Node, WorkflowDefinition, WorkflowSettings
from shared.workflow.definition import Graph as GraphModel
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.document import unusable
from statemachines.compiler.model import Graph, GraphEdge, GraphNode
from statemachines.compiler.shapes import NODE_MODELS, report
from statemachines.compiler.suggest import fix_for, shortened

MAX_BODY_DEPTH = 8
MAX_NODES = 5_000
MAX_EDGES = 20_000

_STUB = {"nodes": [{"id": "stub", "type": "delay", "config": {"seconds": 0}}]}
"""Stands in for nodes and edges, and for bodies, that are read on their own."""


def parse(compilation: Compilation) -> None:
    """Fills in `graph`, `settings` and `name`."""
    document = compilation.document
    if not isinstance(document, dict):
        compilation.error(
            "definition.not_an_object",
            "",
            f"A workflow definition is an object, not {shortened(document)!r}.",
            value=shortened(document),
            fix="Send an object with `name`, `nodes` and `edges`.",
        )
    elif problems := list(unusable(document)):
        compilation.document = {}  # nothing recursive may look into it
        for found in problems:
            compilation.add(found)
    else:
        _Parser(compilation).workflow(document)


class _Parser:
    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation

    def workflow(self, document: dict[str, Any]) -> None:
        model = self.checked(WorkflowDefinition, {**document, **_STUB, "edges": []}, document, "", None)
        if isinstance(model, WorkflowDefinition):
            self.compilation.settings, self.compilation.name = model.settings, model.name
        else:
            self.compilation.settings = WorkflowSettings()
        self.compilation.graph = self.graph(document, "", None)

    def graph(self, raw: dict[str, Any], path: str, owner: GraphNode | None) -> Graph:
        graph = Graph(path, owner, raw.get("output"))
        for index, node in enumerate(self.items(raw, path, "nodes", MAX_NODES, required=True)):
            self.node(node, f"{_prefix(path)}nodes[{index}]", graph)
        if not graph.nodes:
            return graph
        for index, edge in enumerate(self.items(raw, path, "edges", MAX_EDGES, required=False)):
            self.edge(edge, f"{_prefix(path)}edges[{index}]", graph)
        return graph

    def items(self, raw: dict[str, Any], path: str, name: str, limit: int, *, required: bool) -> list[Any]:
        where, items = f"{_prefix(path)}{name}", raw.get(name)
        if items is None and not (name in raw or required):
            return []
        if not isinstance(items, list) or (required and not items):
            problem = "missing" if name not in raw else "empty" if items == [] else "not a list"
            message = f"`{name}` is {problem}."
            fix = f"Give a list of {name}{' with at least one' if required else ''}."
            self.compilation.error(
                "graph.no_nodes" if required else "field.invalid", where, message, value=shortened(items), fix=fix
            )
            return []
        if len(items) > limit:
            message = f"There are {len(items)} {name}; {limit} are allowed."
            fix = "Split the workflow, and run the parts by nodes of type `workflow`."
            self.compilation.error(f"limit.{name}", where, message, value=len(items), allowed=limit, fix=fix)
            return []
        return items

    def node(self, raw: Any, path: str, graph: Graph) -> None:
        if not isinstance(raw, dict):
            message = f"A node is an object, not {shortened(raw)!r}."
            self.compilation.error(
                "node.not_an_object", path, message, value=shortened(raw), fix="Give `id`, `type` and `config`."
            )
            return
        identifier = raw.get("id")
        known = isinstance(identifier, str) and identifier != ""
        node = GraphNode(str(identifier) if known else f"@{path}", path, graph, None)
        node.bodies = dict(self.bodies(raw, path, node))
        node.spec = self.spec(raw, path, node)
        if node.id in self.compilation.nodes:
            other = self.compilation.nodes[node.id].path
            self.compilation.error(
                "node.id_duplicate",
                f"{path}.id",
                f"The id '{node.id}' is also that of {other}; ids are unique in the whole workflow, bodies included.",
                node=node.id,
                value=node.id,
                fix="Rename one of them, and the edges and expressions that mean it.",
            )
        self.compilation.nodes.setdefault(node.id, node)
        graph.nodes.setdefault(node.id, node)

    def spec(self, raw: dict[str, Any], path: str, node: GraphNode) -> Node | None:
        kind = raw.get("type")
        label = node.id if not node.id.startswith("@") else None
        model = NODE_MODELS.get(kind) if isinstance(kind, str) else None
        if model is None:
            self.compilation.error(
                "node.type_unknown" if "type" in raw else "field.missing",
                f"{path}.type",
                f"There is no node type {shortened(kind)!r}." if "type" in raw else "`type` is missing.",
                node=label,
                value=shortened(kind),
                allowed=sorted(NODE_MODELS),
                fix=fix_for(kind, NODE_MODELS, "Use one of the allowed types."),
            )
            return None
        return self.checked(model, _without_bodies(raw), raw, path, label)  # type: ignore[return-value]  # NODE_MODELS holds exactly the members of Node

    def bodies(self, raw: dict[str, Any], path: str, node: GraphNode) -> Iterator[tuple[str, Graph]]:
        for name, body, where in _raw_bodies(raw, path):
            depth, outer = 1, node.graph
            while outer.owner is not None:
                depth, outer = depth + 1, outer.owner.graph
            if depth > MAX_BODY_DEPTH:
                message = f"Bodies nest deeper than {MAX_BODY_DEPTH} levels."
                fix = "Move the inner body into a workflow of its own."
                self.compilation.error(
                    "limit.body_depth", where, message, node=node.id, allowed=MAX_BODY_DEPTH, fix=fix
                )
                continue
            self.checked(GraphModel, {**body, **_STUB, "edges": []}, body, where, node.id)
            yield name, self.graph(body, where, node)

    def edge(self, raw: Any, path: str, graph: Graph) -> None:
        if not isinstance(raw, dict):
            message = f"An edge is an object, not {shortened(raw)!r}."
            self.compilation.error(
                "edge.not_an_object", path, message, value=shortened(raw), fix="Give `from` and `to`."
            )
            return
        edge = self.checked(Edge, raw, raw, path, None)
        if isinstance(edge, Edge):
            graph.edges.append(GraphEdge(path, edge.from_, edge.to, edge.case, edge.error))

    def checked(
        self, model: type[BaseModel], value: dict[str, Any], raw: dict[str, Any], path: str, node: str | None
    ) -> BaseModel | None:
        """`value` as a model; what is wrong with it is reported, with values out of `raw`."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for found in report(error, model, raw, path, node):
                self.compilation.add(found)
            return None


def _raw_bodies(raw: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    config = raw.get("config")
    if not isinstance(config, dict):
        return
    if raw.get("type") == "loop" and isinstance(config.get("body"), dict):
        yield "body", config["body"], f"{path}.config.body"
    branches = config.get("branches")
    if raw.get("type") == "parallel" and isinstance(branches, dict):
        for name, branch in branches.items():
            if isinstance(branch, dict):
                yield str(name), branch, f"{path}.config.branches.{name}"


def _without_bodies(raw: dict[str, Any]) -> dict[str, Any]:
    """The node with a stub in the place of each body: those are read on their own."""
    config = raw.get("config")
    if not isinstance(config, dict):
        return raw
    if raw.get("type") == "loop" and isinstance(config.get("body"), dict):
        return {**raw, "config": {**config, "body": _STUB}}
    branches = config.get("branches")
    if raw.get("type") == "parallel" and isinstance(branches, dict):
        stubs = {name: _STUB if isinstance(branch, dict) else branch for name, branch in branches.items()}
        return {**raw, "config": {**config, "branches": stubs}}
    return raw


def _prefix(path: str) -> str:
    return f"{path}." if path else ""
