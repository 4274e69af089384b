"""Resolving: edges to nodes, and a topological order.

Before:  edges by name
After:   `order` and `upstream` of every graph; or diagnostics: edge ends that are no node (of this graph), edges
         from a node to itself, edges that come twice, and a cycle, named node by node

Edges that make no sense are taken out, so that later passes still find the other mistakes.
"""

from shared.workflow.graph import ancestors, find_cycle, topological_order
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Graph, GraphEdge
from statemachines.compiler.suggest import fix_for


def resolve(compilation: Compilation) -> None:
    """Fills in `order`, `position` and `upstream`."""
    for graph in compilation.graph.all_graphs():
        graph.edges = [edge for edge in graph.edges if _sound(compilation, graph, edge)]
        _distinct(compilation, graph)
        _order(compilation, graph)


def _sound(compilation: Compilation, graph: Graph, edge: GraphEdge) -> bool:
    sound = True
    for end, name in (("from", edge.source), ("to", edge.target)):
        if name not in graph.nodes:
            sound = False
            elsewhere = name in compilation.nodes
            message = f"There is no node '{name}'" + (" in this graph; it is in another body." if elsewhere else ".")
            fix = fix_for(name, graph.nodes, "Name a node of the same graph.")
            compilation.error("edge.unknown_node", f"{edge.path}.{end}", message, value=name, fix=fix)
    if sound and edge.source == edge.target:
        sound = False
        compilation.error(
            "edge.self_loop",
            edge.path,
            f"The edge leads from '{edge.source}' to itself.",
            node=edge.source,
            value=edge.source,
            fix="Remove it; to repeat work, use a node of type `loop`.",
        )
    return sound


def _distinct(compilation: Compilation, graph: Graph) -> None:
    seen: dict[tuple[str, str, str], GraphEdge] = {}
    for edge in graph.edges:
        first = seen.setdefault((edge.source, edge.target, edge.outcome), edge)
        if first is not edge:
            message = f"This edge from '{edge.source}' to '{edge.target}' is the same as {first.path}."
            compilation.error("edge.duplicate", edge.path, message, node=edge.source, fix="Remove one of them.")
    graph.edges = list(seen.values())


def _order(compilation: Compilation, graph: Graph) -> None:
    successors: dict[str, list[str]] = {node: [] for node in graph.nodes}
    before: dict[str, list[str]] = {node: [] for node in graph.nodes}
    for edge in graph.edges:
        successors[edge.source].append(edge.target)
        before[edge.target].append(edge.source)
    if cycle := find_cycle(successors):
        compilation.error(
            "graph.cycle",
            f"{graph.path}.edges" if graph.path else "edges",
            f"These nodes wait for one another: {' → '.join([*cycle, cycle[0]])}.",
            node=cycle[0],
            value=cycle,
            fix="Remove one of these edges; to repeat work, use a node of type `loop`.",
        )
    graph.order = topological_order(successors)
    graph.position = {node: index for index, node in enumerate(graph.order)}
    graph.upstream = ancestors(graph.order, before)
