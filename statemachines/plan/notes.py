"""What the shape of a workflow costs, in words: which nodes share a state, and where branches wait for one another.

A barrier is a fork that makes a node wait for another one that it does not depend on (an "N" shape: a → c, a → d,
b → d; `c` waits for `b`, too), or one whose branches first have to ask whether they run (their gates).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.workflow.definition import Graph, LoopNode, ParallelNode
from statemachines.asl.model import Machine, State
from statemachines.plan.model import Barrier, FusedState

Meanings = Mapping[str, Mapping[str, Any]]
_HELPERS = ("gate", "return")


def fused(meanings: Meanings) -> list[FusedState]:
    """The states that do the work of several nodes."""
    found = []
    for name, meaning in meanings.items():
        if others := list(meaning.get("fused", [])):
            own = [meaning["node"]] if meaning.get("node") else []
            found.append(FusedState(state=name, nodes=[*own, *others]))
    return found


def barriers(asl: Machine, meanings: Meanings, definition: Graph) -> list[Barrier]:
    """Every barrier, and every gate that stands alone."""
    sources = _sources(definition)
    found = []
    for machine in _machines(asl):
        for name, state in machine["States"].items():
            role = meanings.get(name, {}).get("role")
            if role == "fork" and (barrier := _fork(name, state, machine, meanings, sources)):
                found.append(barrier)
            elif role == "gate" and machine["StartAt"] != name:
                found.append(Barrier(state=name, of=[], waiting=[], gates=[name], transitions=1))
    return found


def _fork(
    name: str, state: State, machine: Machine, meanings: Meanings, sources: Mapping[str, list[str]]
) -> Barrier | None:
    own = _inside(state)
    gates = [each for each in own if meanings.get(each, {}).get("role") == "gate"]
    ran = _nodes(own, meanings)
    following = state.get("Next", "")
    after = _nodes([following, *_inside(machine["States"].get(following, {}))], meanings)
    waiting = [node for node in after if not ran.keys() <= _upstream(node, sources)]
    if not gates and not waiting:
        return None
    helpers = [each for each in own if meanings.get(each, {}).get("role") in _HELPERS]
    return Barrier(state=name, of=sorted(ran), waiting=sorted(waiting), gates=gates, transitions=1 + len(helpers))


def _inside(state: State) -> list[str]:
    """The states directly in a Parallel's branches."""
    return [name for branch in state.get("Branches", []) for name in branch["States"]]


def _nodes(states: list[str], meanings: Meanings) -> dict[str, None]:
    """The nodes that states do the work of."""
    found: dict[str, None] = {}
    for each in states:
        meaning = meanings.get(each, {})
        found |= dict.fromkeys([*([meaning["node"]] if meaning.get("node") else []), *meaning.get("fused", [])])
    return found


def _sources(graph: Graph) -> dict[str, list[str]]:
    """Of every node, in whichever graph, the nodes that edges lead to it from."""
    found: dict[str, list[str]] = {}
    waiting = [graph]
    while waiting:
        each = waiting.pop()
        for edge in each.edges:
            found.setdefault(edge.to, []).append(edge.from_)
        for node in each.nodes:
            if isinstance(node, LoopNode):
                waiting.append(node.config.body)
            elif isinstance(node, ParallelNode):
                waiting.extend(node.config.branches.values())
    return found


def _upstream(node: str, sources: Mapping[str, list[str]]) -> set[str]:
    found, waiting = {node}, [node]
    while waiting:
        for source in sources.get(waiting.pop(), []):
            if source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _machines(machine: Machine) -> Iterator[Machine]:
    waiting = [machine]
    while waiting:
        each = waiting.pop(0)
        yield each
        for state in each["States"].values():
            waiting.extend(state.get("Branches", []))
            if "ItemProcessor" in state:
                waiting.append(state["ItemProcessor"])


def lines(shared: list[FusedState], found: list[Barrier], unbounded: list[str]) -> list[str]:
    """For people."""
    return [
        *(f"{each.state} does the work of {_listed(each.nodes)}." for each in shared),
        *(_line(each) for each in found),
        *(f"{each} has no bound: its list may have any length." for each in unbounded),
    ]


def _line(barrier: Barrier) -> str:
    price = f"{barrier.transitions} transition" + ("s" if barrier.transitions > 1 else "")
    if not barrier.of:
        return f"{barrier.state} asks whether what follows runs; it costs {price}."
    text = f"{barrier.state} runs {_listed(barrier.of)} side by side; it costs {price} at most"
    if not barrier.waiting:
        return f"{text}, as its branches ask whether they run."
    verb = "wait" if len(barrier.waiting) > 1 else "waits"
    return f"{text}. {_listed(barrier.waiting)} {verb} for all of them, though not every one leads there."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
