"""What the connections mean: which nodes run at all, what loops over what, and what runs before what.

Terms:
  root   a node that n8n starts with: a trigger, or in a workflow without any, every node that nothing leads to
  loop   a `splitInBatches` node with all that its loop output leads to; that must come back to it, or end
  cut    a link that closes any other cycle; a placeholder takes its place
"""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from shared.workflow.graph import topological_order
from statemachines.importers.n8n.document import MAX_LINKS, Document, Link


@dataclass
class LinkGraph:
    """Links by their ends."""

    links: list[Link]
    out: dict[str, list[Link]] = field(init=False)
    into: dict[str, list[Link]] = field(init=False)
    _upstream: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.out, self.into = {}, {}
        for link in self.links:
            self.out.setdefault(link.source, []).append(link)
            self.into.setdefault(link.target, []).append(link)

    def reach(self, starts: Iterable[str], barrier: str | None = None) -> set[str]:
        """The nodes that can be reached from `starts`, these included, without passing `barrier`."""
        found = {each for each in starts if each != barrier}
        waiting = deque(found)
        while waiting:
            for link in self.out.get(waiting.popleft(), ()):
                if link.target not in found and link.target != barrier:
                    found.add(link.target)
                    waiting.append(link.target)
        return found

    def upstream(self, name: str) -> frozenset[str]:
        """The nodes that lead to this one, itself left out unless it is on a cycle."""
        if name not in self._upstream:
            self._upstream[name] = frozenset(self._sources(name))
        return self._upstream[name]

    def _sources(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = deque([name])
        while waiting:
            for link in self.into.get(waiting.popleft(), ()):
                if link.source not in found:
                    found.add(link.source)
                    waiting.append(link.source)
        return found


def without_disabled(document: Document) -> LinkGraph:
    """The links where disabled nodes let their input pass, as n8n does."""
    graph = LinkGraph(list(document.links))
    for node in document.nodes.values():
        if node.disabled:
            graph = _bypassed(graph, node.name)
    return graph


def _bypassed(graph: LinkGraph, name: str) -> LinkGraph:
    kept = [link for link in graph.links if name not in (link.source, link.target)]
    before = [link for link in graph.into.get(name, ()) if link.input == 0 and link.source != name]
    after = [link for link in graph.out.get(name, ()) if link.output == 0 and link.target != name]
    made = [Link(a.source, a.output, b.target, b.input) for a in before for b in after]
    return LinkGraph(list(dict.fromkeys(kept + made))[:MAX_LINKS])


@dataclass(frozen=True)
class LoopShape:
    """What belongs to a loop. `back` are the links that return to it."""

    body: frozenset[str]
    entries: tuple[Link, ...]
    back: tuple[Link, ...]


def loop_shape(graph: LinkGraph, name: str, within: Collection[str], loop_output: int) -> LoopShape | None:
    """The loop that starts at this node, or None where it has no shape of a loop: its body is entered from outside,
    or what follows it is also in it."""
    entries = tuple(link for link in graph.out.get(name, ()) if link.output == loop_output and link.target in within)
    after = graph.reach((link.target for link in graph.out.get(name, ()) if link.output != loop_output), name)
    body = graph.reach((link.target for link in entries if link.target != name), name)
    foreign = any(link.source not in body and link.source != name for each in body for link in graph.into.get(each, ()))
    if body & after or foreign:
        return None
    back = tuple(link for link in graph.into.get(name, ()) if link.source in body or link in entries)
    return LoopShape(frozenset(body), entries, back)


def cuts(nodes: Collection[str], links: Collection[Link]) -> set[Link]:
    """Links without which nothing is on a cycle: those that lead back, met in the order of the nodes."""
    out: dict[str, list[Link]] = {name: [] for name in nodes}
    for link in links:
        out[link.source].append(link)
    found: set[Link] = set()
    state: dict[str, int] = {}
    for root in nodes:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, list(reversed(out[root])))]
        while stack:
            name, rest = stack[-1]
            if not rest:
                state[name] = 2
                stack.pop()
                continue
            link = rest.pop()
            if state.get(link.target) == 1:
                found.add(link)
            elif link.target not in state:
                state[link.target] = 1
                stack.append((link.target, list(reversed(out[link.target]))))
    return found


def in_order(nodes: Collection[str], links: Collection[Link]) -> list[str]:
    """The nodes, each after those that lead to it. There must be no cycle."""
    successors: dict[str, list[str]] = {name: [] for name in nodes}
    for link in links:
        successors[link.source].append(link.target)
    return topological_order(successors)
