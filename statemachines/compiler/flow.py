"""A graph by numbers: nodes in topological order (START is 0, END the last), with both dominator trees."""

from shared.workflow.graph import Tree, dominators
from statemachines.compiler.model import END, START, Graph, Outcome


class Flow:
    """`before[node]`: its sources, each with the outcomes that lead to it. `next.parent[node]`: the node's immediate
    post-dominator, the first one that every path from it passes."""

    def __init__(self, graph: Graph) -> None:
        self.names = [START, *graph.order, END]
        number = {name: index for index, name in enumerate(self.names)}
        self.end = len(self.names) - 1
        self.outcomes: list[dict[Outcome, list[int]]] = [
            {outcome: [number[target] for target in targets] for outcome, targets in graph.outcomes[name].items()}
            for name in self.names[:-1]
        ]
        self.before: dict[int, dict[int, set[Outcome]]] = {node: {} for node in range(len(self.names))}
        for node, outcomes in enumerate(self.outcomes):
            for outcome, targets in outcomes.items():
                for target in targets:
                    self.before[target].setdefault(node, set()).add(outcome)
        forward = {node: list(sources) for node, sources in self.before.items()}
        backward: dict[int, list[int]] = {node: [] for node in forward}
        for node, sources in forward.items():
            for source in sources:
                backward[source].append(node)
        self.dominated = dominators(list(range(self.end + 1)), forward)
        self.next: Tree = dominators(list(range(self.end, -1, -1)), backward)

    def roots(self, node: int, after: int) -> list[int]:
        """What `node` dominates directly, but for what comes after it."""
        return [child for child in self.dominated.children[node] if child != after]


class Groups:
    """Union-find over integers; the smallest member stands for its group, so that groups keep the topological order."""

    def __init__(self, members: list[int]) -> None:
        self.leader = {member: member for member in members}

    def find(self, item: int) -> int:
        while self.leader[item] != item:
            self.leader[item] = self.leader[self.leader[item]]
            item = self.leader[item]
        return item

    def join(self, a: int, b: int) -> None:
        first, second = sorted((self.find(a), self.find(b)))
        self.leader[second] = first

    def all(self) -> list[list[int]]:
        """The groups, by their smallest members, each in order."""
        found: dict[int, list[int]] = {}
        for member in sorted(self.leader):
            found.setdefault(self.find(member), []).append(member)
        return [found[leader] for leader in sorted(found)]


def sharing(sets: list[frozenset[Outcome]]) -> list[list[int]]:
    """Indexes of sets that have a member in common, directly or by way of others, together."""
    groups = Groups(list(range(len(sets))))
    seen: dict[Outcome, int] = {}
    for index, outcomes in enumerate(sets):
        for outcome in outcomes:
            groups.join(index, seen.setdefault(outcome, index))
    return groups.all()
