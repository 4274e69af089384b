"""Graph algorithms against plain definitions of what they compute."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.workflow.graph import Tree, ancestors, dominators, find_cycle, topological_order

_EDGES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=25, unique=True)


def _successors(edges):
    return {node: [target for source, target in edges if source == node] for node in range(9)}


def _reaches(successors, start, without=None):
    seen, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        if node not in seen and node != without:
            seen.add(node)
            waiting.extend(successors[node])
    return seen


@given(_EDGES)
def test_a_graph_has_an_order_or_a_cycle(edges) -> None:
    successors = _successors(edges)
    order, cycle = topological_order(successors), find_cycle(successors)
    position = {node: index for index, node in enumerate(order)}
    assert all(position[a] < position[b] for a, b in edges if a in position and b in position)
    assert (len(order) == 9) == (cycle is None)
    if cycle is not None:
        assert all((a, b) in edges for a, b in pairwise([*cycle, cycle[0]]))
        assert len(set(cycle)) == len(cycle)


@given(_EDGES)
def test_ancestors_and_dominators(edges) -> None:
    edges = [(a, b) for a, b in edges if a < b] + [
        (0, b) for b in range(1, 9) if not any(t == b and s < b for s, t in edges)
    ]
    successors = _successors(edges)
    before = {node: [a for a, b in edges if b == node] for node in range(9)}
    order = list(range(9))
    masks = ancestors(order, before)
    tree = dominators(order, before)
    for node in order:
        assert {a for a in order if masks[node] >> a & 1} == {
            a for a in order if a != node and node in _reaches(successors, a)
        }
        dominating = {a for a in order if a == node or (node not in _reaches(successors, 0, without=a))}
        path = {node}
        while 0 not in path:
            path.add(tree.parent[min(path)])
        assert path == dominating


def test_trees_climb_and_meet() -> None:
    before = {0: []} | {node: [node - 1] for node in range(1, 5000)} | {5000: [17], 5001: [5000, 4999]}
    tree = dominators(list(range(5002)), before)
    assert tree.parent[5001] == 17
    assert tree.climb(4999, 123) == 123
    assert tree.toward(4999, 17) == 18
    assert tree.common(5000, 4000) == 17
    assert len(tree.subtree(17)) == 5002 - 17


def test_a_tree_is_climbed_by_powers_of_two() -> None:
    """The table ended after one step, so that every climb was a walk: quadratic in the length of a workflow."""
    tree = Tree(0)
    for node in range(1, 1001):
        tree.add(node, node - 1)

    assert [tree._lift[1000][power] for power in range(10)] == [1000 - 2**power for power in range(10)]
