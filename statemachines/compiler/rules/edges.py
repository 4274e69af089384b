"""Which edges may leave which nodes."""

from shared.workflow.definition import ConditionNode
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Graph, GraphEdge
from statemachines.compiler.suggest import fix_for


def edges(compilation: Compilation) -> None:
    """Checks cases, and that a failure has one way to go."""
    for graph in compilation.graph.all_graphs():
        for edge in graph.edges:
            _edge(compilation, graph, edge)
        _handled_twice(compilation, graph)


def _edge(compilation: Compilation, graph: Graph, edge: GraphEdge) -> None:
    spec = graph.nodes[edge.source].spec
    if edge.error and edge.case is not None:
        compilation.error(
            "edge.case_and_error",
            edge.path,
            "An edge is taken for a case or for an error, not for both.",
            node=edge.source,
            value=edge.case,
            fix="Remove `case` or `error`, or make two edges.",
        )
    elif spec is None or edge.error:
        return
    elif not isinstance(spec, ConditionNode):
        if edge.case is not None:
            compilation.error(
                "edge.case_unexpected",
                f"{edge.path}.case",
                f"'{edge.source}' is of type `{spec.type}`; only the edges of a condition have a case.",
                node=edge.source,
                value=edge.case,
                fix="Remove `case`, or put a condition in between.",
            )
    else:
        _case(compilation, spec, edge)


def _case(compilation: Compilation, spec: ConditionNode, edge: GraphEdge) -> None:
    cases = list(dict.fromkeys([case.case for case in spec.config.cases]))
    if spec.config.default is not None and spec.config.default not in cases:
        cases.append(spec.config.default)
    if edge.case is None:
        compilation.error(
            "edge.case_missing",
            f"{edge.path}.case",
            f"'{edge.source}' is a condition: each of its edges says which case takes it.",
            node=edge.source,
            allowed=cases,
            fix=f"Add `case: {cases[0]}` or another one.",
        )
    elif edge.case not in cases:
        compilation.error(
            "edge.case_unknown",
            f"{edge.path}.case",
            f"The condition '{edge.source}' has no case '{edge.case}'.",
            node=edge.source,
            value=edge.case,
            allowed=cases,
            fix=fix_for(edge.case, cases, "Use one of its cases, or add this one to it."),
        )


def _handled_twice(compilation: Compilation, graph: Graph) -> None:
    failing = {edge.source: edge for edge in graph.edges if edge.error}
    for source, edge in failing.items():
        spec = graph.nodes[source].spec
        if spec is not None and spec.on_error == "continue":
            compilation.error(
                "node.on_error_conflict",
                f"{graph.nodes[source].path}.on_error",
                f"'{source}' has `on_error: continue` and an error edge ({edge.path}); a failure can only go one way.",
                node=source,
                value="continue",
                fix="Remove `on_error`, or the edge.",
            )
