"""What runs in waves: the units of a region that has no structure as a whole, and when each of them can run."""

from dataclasses import dataclass

from statemachines.compiler.flow import Flow
from statemachines.compiler.model import EdgeRef, Outcome, Switch


@dataclass(frozen=True, slots=True)
class Entry:
    """From where a region is entered: its source, the outcomes that may have happened, the switch they are chosen
    by."""

    source: int
    outcomes: frozenset[Outcome]
    switch: Switch


class Units:
    """The single-entry single-exit sequences of a region that has no structure as a whole, and when each can run."""

    def __init__(self, flow: Flow, entry: Entry, roots: list[int], *, flat: bool) -> None:
        self.flow = flow
        self.flat = flat
        self.entry = entry
        inside = {node for root in roots for node in flow.dominated.subtree(root)}
        self.chains: dict[int, list[int]] = {}
        self.unit_of: dict[int, int] = {}
        for node in sorted(inside):
            if node not in self.unit_of:
                self.chains[node] = self.grow(node, inside)
        self.level: dict[int, int] = {}
        self.certain: dict[int, bool] = {}
        for head in self.chains:
            self.place(head)

    def grow(self, head: int, inside: set[int]) -> list[int]:
        """Node by node to the next one that both dominates what follows and is dominated by what came."""
        flow, chain = self.flow, [head]
        self.unit_of[head] = head
        while True:
            node, after = chain[-1], flow.next.parent[chain[-1]]
            if after not in inside or flow.dominated.parent[after] != node:
                return chain
            between = flow.roots(node, after)
            if self.flat and between:
                return chain
            for root in between:
                self.unit_of.update(dict.fromkeys(flow.dominated.subtree(root), head))
            self.unit_of[after] = head
            chain.append(after)

    def place(self, head: int) -> None:
        level, certain = 0, False
        for source, outcomes in self.flow.before[head].items():
            if source == self.entry.source:
                certain |= outcomes >= self.entry.outcomes
            else:
                level = max(level, self.level[self.unit_of[source]] + 1)
                certain |= self.certain[self.unit_of[source]] and outcomes >= set(self.flow.outcomes[source])
        self.level[head], self.certain[head] = level, certain

    def waves(self) -> list[list[int]]:
        waves: list[list[int]] = [[] for _ in range(max(self.level.values()) + 1)]
        for head, level in self.level.items():
            waves[level].append(head)
        return waves

    def edges(self, head: int) -> list[EdgeRef]:
        """Where the unit is entered from."""
        names = self.flow.names
        return [
            (names[source], outcome)
            for source, outcomes in sorted(self.flow.before[head].items())
            for outcome in self.flow.outcomes[source]
            if outcome in outcomes and (source != self.entry.source or outcome in self.entry.outcomes)
        ]
