"""What the passes work on.

Terms:
  graph     nodes and edges of the workflow itself, or of a loop's body or a parallel's branch; a body belongs to its
            owner
  outcome   how a node ended, as far as its edges care: `done`, `error`, or `case:<name>`; exactly one of them happens
  sequence  steps one after another, in one variable scope
  split     what lies between a step and the next one that all of its paths meet in: arms, taken by outcome
  cluster   arms that share an outcome; one arm is jumped to, several become a Parallel
  wave      part of a region with no such meeting points: units that may run at once when everything before is decided
  place     where a step stands in this nesting; it says which variables a step can see and which may be absent
  switch    a state that chooses between ways; on every way out it marks the variables of the others as absent
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from shared.workflow.definition import Node

DONE = "done"
ERROR = "error"
START = "$start"
END = "$end"

Outcome: TypeAlias = str
EdgeRef: TypeAlias = tuple[str, Outcome]
"""The edges that leave a node (first) on an outcome (second)."""


def case_outcome(case: str) -> Outcome:
    """The outcome of a condition that chose `case`."""
    return f"case:{case}"


@dataclass(eq=False)
class GraphEdge:
    path: str
    source: str
    target: str
    case: str | None
    error: bool

    @property
    def outcome(self) -> Outcome:
        if self.error:
            return ERROR
        return DONE if self.case is None else case_outcome(self.case)


@dataclass(eq=False)
class GraphNode:
    """A node as written. `spec` is None where it is too broken to be read; it keeps its id, so that edges still meet
    it."""

    id: str
    path: str
    graph: "Graph"
    spec: Node | None
    bodies: dict[str, "Graph"] = field(default_factory=dict)
    """Loop: `body`. Parallel: one per branch."""


@dataclass(eq=False)
class Graph:
    path: str
    owner: GraphNode | None
    output: Any = None
    nodes: dict[str, GraphNode] = field(default_factory=dict)
    edges: list[GraphEdge] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    position: dict[str, int] = field(default_factory=dict)
    """Of each node its place in `order`."""
    upstream: dict[str, int] = field(default_factory=dict)
    """Of each node the nodes it can be reached from, as bits over `order`."""
    outcomes: dict[str, dict[Outcome, list[str]]] = field(default_factory=dict)
    """Of each node, and of START: where each outcome leads; END where it leads nowhere."""
    body: "Sequence | None" = None

    def all_graphs(self) -> Iterator["Graph"]:
        """This graph and every one inside it."""
        waiting = [self]
        while waiting:
            graph = waiting.pop(0)
            yield graph
            waiting.extend(body for node in graph.nodes.values() for body in node.bodies.values())

    @property
    def sequence(self) -> "Sequence":
        """`body`, once the pass `regions` has made it."""
        if self.body is None:
            raise AssertionError(f"the graph at {self.path!r} has not been through the pass `regions`")
        return self.body

    def sinks(self) -> list[str]:
        """Nodes that no edge leaves, in the order of the definition."""
        sources = {edge.source for edge in self.edges}
        return [node for node in self.nodes if node not in sources]


@dataclass(eq=False)
class Switch:
    """`absent` fills up in the pass `liveness`: variable → what it holds where its node did not run."""

    absent: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Place:
    """`body`: a graph's own scope. `branch`: a scope inside a Parallel. `arm`: in its parent's scope, but may be
    passed by.

    `number` counts in preorder, so that a place holds exactly the places from `number` to `last`.
    """

    kind: Literal["body", "branch", "arm"]
    number: int
    level: int
    """Branches and bodies around it."""
    parent: "Place | None"
    switch: Switch | None = None
    fork: "Fork | None" = None
    returns: dict["Variable", None] = field(default_factory=dict)
    """Of a branch: what it hands to the outer scope, in order."""
    last: int = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.number

    def holds(self, other: "Place") -> bool:
        return self.number <= other.number <= self.last


@dataclass(frozen=True, slots=True)
class Variable:
    """What a node leaves behind: its output, or (`flag`) whether it failed, where a guard asks."""

    node: str
    flag: bool = False


@dataclass(eq=False)
class Sequence:
    place: Place
    items: list["Item"] = field(default_factory=list)


@dataclass(eq=False)
class Step:
    """One node, and where it goes from there; without `split` every outcome goes to the next item."""

    node: str
    place: Place
    switch: Switch
    split: "Split | None" = None


@dataclass(eq=False)
class Arm:
    outcomes: frozenset[Outcome]
    body: Sequence


@dataclass(eq=False)
class Cluster:
    """`fork` is set where several arms run at once."""

    outcomes: frozenset[Outcome]
    arm: Arm | None = None
    fork: "Fork | None" = None


@dataclass(eq=False)
class Split:
    source: str
    outcomes: frozenset[Outcome]
    clusters: list[Cluster]


@dataclass(eq=False)
class Gate:
    """Chooses whether, and where, to enter: for each rule any of its edges, and the outcome to enter by (None: the
    start)."""

    switch: Switch
    rules: list[tuple[list[EdgeRef], Outcome | None]]
    total: bool
    """Whether one of the rules always holds."""


@dataclass(eq=False)
class Branch:
    place: Place
    body: Sequence
    gate: Gate | None = None


@dataclass(eq=False)
class Fork:
    """Branches that run at once. `number` counts through the whole workflow."""

    number: int
    branches: list[Branch] = field(default_factory=list)

    @property
    def state(self) -> str:
        return f"fork.{self.number}"


@dataclass(eq=False)
class Gated:
    """A wave of one unit: entered when its gate holds, else passed by. `unit` is the node that it begins with."""

    unit: str
    gate: Gate
    body: Sequence


Item: TypeAlias = Step | Split | Fork | Gated
