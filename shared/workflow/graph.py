"""Algorithms on directed graphs; every one is iterative and linear or nearly so.

Terms:
  order      a topological order: every edge goes from an earlier node to a later one
  dominator  `a` dominates `b` when every path from the root to `b` passes `a`; the closest such `a ≠ b` is its
             immediate dominator, and the immediate dominators form a tree
  lifting    a table of the 1st, 2nd, 4th, 8th … ancestor of each tree node, so that climbing takes logarithmic time
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

N = TypeVar("N")


def topological_order(successors: Mapping[N, Sequence[N]]) -> list[N]:
    """The nodes in a topological order, ties in the order of the mapping. Nodes on or behind a cycle are left out."""
    waiting = dict.fromkeys(successors, 0)
    for targets in successors.values():
        for target in targets:
            waiting[target] += 1
    ready = deque(node for node, count in waiting.items() if count == 0)
    order: list[N] = []
    while ready:
        node = ready.popleft()
        order.append(node)
        for target in successors[node]:
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return order


def find_cycle(successors: Mapping[N, Sequence[N]]) -> list[N] | None:
    """The nodes of one cycle in order, or None where there is none."""
    done = set(topological_order(successors))
    rest = [node for node in successors if node not in done]
    if not rest:
        return None
    # What is left is on a cycle or behind one. Walking against the edges within it must come round.
    before: dict[N, N] = {}
    for node in rest:
        for target in successors[node]:
            before.setdefault(target, node)
    path: dict[N, int] = {}
    node = rest[0]
    while node not in path:
        path[node] = len(path)
        node = before[node]
    return list(reversed(list(path)[path[node] :]))


def ancestors(order: Sequence[N], predecessors: Mapping[N, Iterable[N]]) -> dict[N, int]:
    """For each node the set of nodes it can be reached from, as a bit mask over positions in `order`."""
    position = {node: index for index, node in enumerate(order)}
    masks: dict[N, int] = {}
    for node in order:
        mask = 0
        for before in predecessors[node]:
            mask |= masks[before] | 1 << position[before]
        masks[node] = mask
    return masks


class Tree:
    """A rooted tree of integers that grows by leaves and answers lowest common ancestors in logarithmic time."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.parent: dict[int, int] = {root: root}
        self.depth: dict[int, int] = {root: 0}
        self.children: dict[int, list[int]] = {root: []}
        self._lift: dict[int, list[int]] = {root: [root]}

    def add(self, node: int, parent: int) -> None:
        """Hangs a new leaf under `parent`."""
        self.parent[node] = parent
        self.depth[node] = self.depth[parent] + 1
        self.children[node] = []
        self.children[parent].append(node)
        lift = [parent]
        while len(lift) <= len(self._lift[lift[-1]]):
            lift.append(self._lift[lift[-1]][len(lift) - 1])
        self._lift[node] = lift

    def climb(self, node: int, depth: int) -> int:
        """The ancestor of `node` (or itself) at `depth`."""
        while self.depth[node] > depth:
            step = self.depth[node] - depth
            lift = self._lift[node]
            node = lift[min(step.bit_length(), len(lift)) - 1]
        return node

    def common(self, a: int, b: int) -> int:
        """The lowest common ancestor."""
        depth = min(self.depth[a], self.depth[b])
        a, b = self.climb(a, depth), self.climb(b, depth)
        while a != b:
            lift_a, lift_b = self._lift[a], self._lift[b]
            level = len(lift_a) - 1
            while level > 0 and lift_a[level] == lift_b[level]:
                level -= 1
            a, b = lift_a[level], lift_b[level]
        return a

    def toward(self, node: int, ancestor: int) -> int:
        """The child of `ancestor` on the way to its descendant `node`."""
        return self.climb(node, self.depth[ancestor] + 1)

    def subtree(self, node: int) -> list[int]:
        """`node` and all its descendants."""
        found = [node]
        for each in found:
            found.extend(self.children[each])
        return found


def dominators(order: Sequence[int], predecessors: Mapping[int, Sequence[int]]) -> Tree:
    """The dominator tree of an acyclic graph: `order` is topological and starts with its only root.

    In an acyclic graph the immediate dominator of a node is the lowest common ancestor of its predecessors.
    """
    tree = Tree(order[0])
    for node in order[1:]:
        before = predecessors[node]
        parent = before[0]
        for other in before[1:]:
            parent = tree.common(parent, other)
        tree.add(node, parent)
    return tree
