"""Liveness: which outputs are kept, and how far they travel.

Before:  Fork(page | note), Step combine reading $page and $note, Step reply reading $combine
After:   the branch of `page` returns `page`, that of `note` returns `note`; `combine` is kept; `reply`, which nobody
         reads, is not.
"""

from shared.workflow.expressions import expressions_in
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Fork, Gate, Gated, Graph, Item, Place, Sequence, Split, Variable
from statemachines.compiler.reads import names_in, node_expressions
from statemachines.compiler.variables import SKIPPED, Variables, asked


def liveness(compilation: Compilation) -> None:
    """Fills in `kept`, the `returns` of branches and the `absent` of switches."""
    reader = _Reader(compilation)
    for graph in compilation.graph.all_graphs():
        reader.graph(graph)


class _Reader:
    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation
        self.variables = Variables(compilation)
        self.seen: set[tuple[Variable, Place]] = set()

    def graph(self, graph: Graph) -> None:
        body = graph.body
        if body is None:
            return
        for node in graph.nodes.values():
            place = self.compilation.steps[node.id].place
            for _, source in node_expressions(node):
                self.names(names_in(source), graph, place)
        self.names(output_names(graph), graph, body.place)
        for gate, place in gates(body):
            for edges, _ in gate.rules:
                for edge in edges:
                    self.read(asked(self.compilation, edge), place)

    def names(self, names: frozenset[str], graph: Graph, place: Place) -> None:
        for name in sorted(names):
            node = self.compilation.nodes.get(name)
            if node is not None:
                self.read(Variable(name), seen_from(self.compilation, node.graph, graph, place))

    def read(self, variable: Variable, place: Place) -> None:
        if (variable, place) in self.seen:
            return
        self.seen.add((variable, place))
        for hop in self.variables.hops(variable, place):
            if isinstance(hop.holder, Variable):
                self.compilation.kept.add(hop.holder)
            if hop.switch is not None:
                if isinstance(hop.holder, Variable):
                    self.compilation.optional.add(hop.holder)
                absent = {} if isinstance(hop.holder, Fork) else SKIPPED
                hop.switch.absent[self.variables.name(hop.holder)] = absent
            if hop.branch is not None:
                hop.branch.returns[variable] = None


def output_names(graph: Graph) -> frozenset[str]:
    """The names that a graph's result reads."""
    if graph.output is None:
        return frozenset(graph.sinks())
    return frozenset().union(*(names_in(source) for _, source in expressions_in(graph.output)))


def seen_from(compilation: Compilation, home: Graph, graph: Graph, place: Place) -> Place:
    """A reader's place as the graph `home` knows it: that of the node whose body the reader is in."""
    while graph is not home and graph.owner is not None:
        place = compilation.steps[graph.owner.id].place
        graph = graph.owner.graph
    return place


def gates(body: Sequence) -> list[tuple[Gate, Place]]:
    """Every gate of a graph, with the place that it stands in."""
    found: list[tuple[Gate, Place]] = []
    waiting: list[tuple[Item, Place]] = [(item, body.place) for item in body.items]
    while waiting:
        item, place = waiting.pop()
        for inner, gate, where in _inside(item, place):
            if gate is not None:
                found.append((gate, where))
            waiting.extend((each, inner.place) for each in inner.items)
    return found


def _inside(item: Item, place: Place) -> list[tuple[Sequence, Gate | None, Place]]:
    if isinstance(item, Gated):
        return [(item.body, item.gate, place)]
    if isinstance(item, Fork):
        return [(branch.body, branch.gate, branch.place) for branch in item.branches]
    split = item if isinstance(item, Split) else item.split
    inner: list[tuple[Sequence, Gate | None, Place]] = []
    for cluster in split.clusters if split else []:
        if cluster.arm:
            inner.append((cluster.arm.body, None, place))
        elif cluster.fork:
            inner.extend(_inside(cluster.fork, place))
    return inner
