"""Drafts of random workflows, drawn so that hypothesis shrinks them well: a node is an item of a list, names no other
node but by how far back it is, and says itself what goes wrong at it. graphs.py makes workflows of them.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st

LEAVES = ["transform", "webhook", "condition", "condition", "tool", "delay"]
BLOCKS = ["for_each", "while", "parallel"]
MAX_DEPTH = 3
RARELY = 12

HUB = -1
"""What hangs on one condition by several cases makes most of the shapes that a region can have."""

CASES = ("a", "b", "c", "other")
ERRORS = ["DestinationTimeout", "DestinationRefused", "Boom"]


@dataclass(frozen=True)
class Link:
    """An edge from the node `back` before this one, or (HUB) from the last condition, by its error or by cases."""

    back: int
    error: bool
    cases: tuple[int, ...]


@dataclass(frozen=True)
class Trouble:
    """What goes wrong at a node in an iteration: an expression raises, or the work fails first and takes its time."""

    iteration: int
    raises: bool
    error: str
    failures: int
    seconds: int


@dataclass(frozen=True)
class Draft:
    """A node. The numbers mean what its kind makes of them; see graphs."""

    kind: str
    links: tuple[Link, ...]
    reads: tuple[int, ...]
    """Nodes that its expressions read, by how far back among those that they may."""
    goes_on: bool
    """on_error: continue."""
    retry: int
    number: int
    flag: bool
    chosen: tuple[int, ...]
    troubles: tuple[Trouble, ...]
    bodies: "tuple[Body, ...]" = ()


@dataclass(frozen=True)
class Body:
    """A graph. `output`: the nodes that its output reads, by how far back; None where it has none."""

    nodes: tuple[Draft, ...] = field(default=())
    output: tuple[int, ...] | None = None


_BACK = st.integers(0, 4) | st.integers(0, 4) | st.integers(0, 20)
_BACKS = st.lists(_BACK, max_size=3, unique=True).map(tuple)
_RARELY = st.integers(0, RARELY).map(lambda drawn: drawn == RARELY)
_LINK = st.builds(
    Link,
    _BACK | st.just(HUB),
    st.integers(0, 4).map(lambda drawn: drawn == 4),
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
)
_LINKS = st.sampled_from([1, 1, 1, 2, 2, 3, 0]).flatmap(lambda count: st.tuples(*[_LINK] * count))
"""Few links leave regions of their own, which joins then tie together; without any, a graph is only wide."""

_TROUBLE = st.builds(
    Trouble,
    st.integers(0, 2),
    _RARELY,
    st.sampled_from(ERRORS),
    st.sampled_from([0, 1, 2, 5]),
    st.sampled_from([0, 1, 2, 30]),
)


def _drafts(depth: int, kinds: list[str] = LEAVES) -> st.SearchStrategy[Draft]:
    rest = (
        _LINKS,
        _BACKS,
        st.booleans(),
        st.integers(0, 4),
        st.integers(0, 3),
        st.booleans(),
        st.tuples(*[st.integers(0, 3)] * 3),
        st.integers(0, 3).flatmap(lambda drawn: st.tuples(_TROUBLE) if drawn == 3 else st.just(())),
    )
    leaf = st.builds(Draft, st.sampled_from(kinds), *rest)
    if depth == MAX_DEPTH:
        return leaf
    inside = st.lists(bodies(depth + 1), min_size=1, max_size=3).map(tuple)
    block = st.builds(Draft, st.sampled_from(BLOCKS), *rest, inside)
    return st.integers(0, 3).flatmap(lambda drawn: block if drawn == 3 else leaf)


def crossings() -> st.SearchStrategy[Body]:
    """Small graphs, half of conditions: what a branch is entered by, and whether, is decided in many ways."""
    nodes = st.lists(_drafts(MAX_DEPTH, ["transform", "condition"]), min_size=4, max_size=9)
    return st.builds(Body, nodes.map(tuple), st.none() | _BACKS)


def bodies(depth: int = 0) -> st.SearchStrategy[Body]:
    """Graphs; at depth 0 that of the workflow, with 40 nodes and more."""
    nodes = st.lists(_drafts(depth), max_size=4 if depth else 12)
    if depth == 0:
        nodes = st.lists(nodes, max_size=16).map(lambda groups: [each for group in groups for each in group])
    return st.builds(Body, nodes.map(tuple), st.none() | _BACKS)
