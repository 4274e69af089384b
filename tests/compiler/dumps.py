"""What passes leave behind that does not show in the ASL as such, as JSON that reads well in a diff."""

from collections.abc import Callable, Iterator
from typing import Any

from statemachines.compiler.compilation import Compilation
from statemachines.compiler.compile import PASSES
from statemachines.compiler.model import Arm, Fork, Gate, Graph, Item, Place, Sequence, Split, Step, Switch, Variable
from statemachines.compiler.passes.liveness import gates
from statemachines.compiler.variables import Variables

Dump = Callable[[Compilation], Any]


def dumped(name: str, document: Any) -> Any:
    """The dump of the pass `name`, after it and all before it have run."""
    compilation = Compilation(document)
    for each in PASSES:
        each(compilation)
        assert not compilation.failed
        if each.__name__ == name:
            break
    return DUMPS[name](compilation)


def _by_graph(dump: Callable[[Graph], Any]) -> Dump:
    return lambda compilation: {graph.path or "workflow": dump(graph) for graph in compilation.graph.all_graphs()}


def _resolved(graph: Graph) -> Any:
    return {
        node: [each for each in graph.order if graph.upstream[node] >> graph.position[each] & 1] for node in graph.order
    }


def _regions(graph: Graph) -> list[str]:
    return list(_lines(graph.sequence, ""))


def _lines(sequence: Sequence, indent: str) -> Iterator[str]:
    for item in sequence.items:
        yield from _item(item, indent)


def _item(item: Item, indent: str) -> Iterator[str]:
    inner = indent + "    "
    if isinstance(item, Step):
        yield f"{indent}Step {item.node}"
        if item.split:
            yield from _split(item.split, inner)
    elif isinstance(item, Split):
        yield f"{indent}Split of {item.source}"
        yield from _split(item, inner)
    elif isinstance(item, Fork):
        yield f"{indent}Fork {item.number}"
        for index, branch in enumerate(item.branches):
            yield f"{inner}branch {index + 1}{_gate(branch.gate)}"
            yield from _lines(branch.body, inner + "    ")
    else:
        yield f"{indent}Gated {item.unit}{_gate(item.gate)}"
        yield from _lines(item.body, inner)


def _split(split: Split, indent: str) -> Iterator[str]:
    for cluster in split.clusters:
        yield f"{indent}on {', '.join(sorted(cluster.outcomes))}"
        if isinstance(cluster.arm, Arm):
            yield from _lines(cluster.arm.body, indent + "    ")
        elif cluster.fork:
            yield from _item(cluster.fork, indent + "    ")


def _gate(gate: Gate | None) -> str:
    if gate is None:
        return ""
    rules = [
        f"{' or '.join(f'{node} {outcome}' for node, outcome in edges)}{f' → {entry}' if entry else ''}"
        for edges, entry in gate.rules
    ]
    return f" if {'; '.join(rules)}{' (one of them holds)' if gate.total else ''}"


def _liveness(compilation: Compilation) -> Any:
    names = Variables(compilation)
    branches = {
        f"{place.fork.state} branch {index + 1}": [names.member(variable) for variable in place.returns]
        for place in dict.fromkeys(_places(compilation))
        if place.fork is not None
        for index, branch in enumerate(place.fork.branches)
        if branch.place is place
    }
    switches: list[tuple[str, Switch]] = [(node, step.switch) for node, step in compilation.steps.items()]
    for graph in compilation.graph.all_graphs():
        for gate, _ in gates(graph.sequence):
            switches.append((f"gate on {', '.join(node for edges, _ in gate.rules for node, _ in edges)}", gate.switch))
    return {
        "kept": sorted(map(_variable, compilation.kept)),
        "optional": sorted(map(_variable, compilation.optional)),
        "returned": branches,
        "absent": {name: dict(switch.absent) for name, switch in switches if switch.absent},
    }


def _places(compilation: Compilation) -> Iterator[Place]:
    """Where each step stands, and what that is in."""
    for step in compilation.steps.values():
        place: Place | None = step.place
        while place is not None:
            yield place
            place = place.parent


def _variable(variable: Variable) -> str:
    return f"{variable.node} failed" if variable.flag else variable.node


DUMPS: dict[str, Dump] = {
    "resolve": _by_graph(_resolved),
    "normalise": _by_graph(lambda graph: graph.outcomes),
    "regions": _by_graph(_regions),
    "liveness": _liveness,
}
"""Of each node in order what is upstream of it; where each outcome leads; sequences; which variables live where."""
