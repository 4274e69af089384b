"""Normalising: what each outcome of each node leads to, with what is implicit written down.

Before, edges:  a → b, a → c, a -error→ d; `d` has none; nothing leads to `a`
After:          $start: {done: [a]}   a: {done: [b, c], error: [d]}   d: {done: [$end]}   …

A node always ends in exactly one outcome, and every outcome leads somewhere: to END where no edge leaves by it.
"""

from shared.workflow.definition import ConditionNode
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import DONE, END, ERROR, START, Graph, GraphNode, Outcome, case_outcome


def normalise(compilation: Compilation) -> None:
    """Fills in `Graph.outcomes`."""
    for graph in compilation.graph.all_graphs():
        _outcomes(graph)


def _outcomes(graph: Graph) -> None:
    targets: dict[str, dict[Outcome, list[str]]] = {node: {} for node in graph.order}
    entered: set[str] = set()
    for edge in graph.edges:
        targets[edge.source].setdefault(edge.outcome, []).append(edge.target)
        entered.add(edge.target)
    graph.outcomes[START] = {DONE: [node for node in graph.order if node not in entered]}
    for node in graph.order:
        possible = _possible(graph.nodes[node], error=ERROR in targets[node])
        graph.outcomes[node] = {outcome: targets[node].get(outcome, [END]) for outcome in possible}


def _possible(node: GraphNode, *, error: bool) -> list[Outcome]:
    if isinstance(node.spec, ConditionNode):
        config = node.spec.config
        cases = [case.case for case in config.cases] + ([config.default] if config.default is not None else [])
        outcomes = [case_outcome(case) for case in dict.fromkeys(cases)]
    else:
        outcomes = [DONE]
    return [*outcomes, ERROR] if error else outcomes
