"""What bounds a machine's loops and its agents, by node: the one thing that the ASL alone does not tell."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from shared.workflow.definition import (
    AgentConfig,
    AgentNode,
    ForEachConfig,
    Graph,
    LoopNode,
    Node,
    ParallelNode,
    WhileConfig,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`rounds`: how often a loop's first state is entered at most. `items`: how long a `for_each`'s list is at most;
    a node whose list may have any length is not in it."""

    rounds: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)
    agents: Mapping[str, AgentConfig] = field(default_factory=dict)


def bounds_of(specs: Iterable[Node]) -> Bounds:
    """The bounds that nodes, those of inner graphs among them, state."""
    rounds: dict[str, int] = {}
    items: dict[str, int] = {}
    agents: dict[str, AgentConfig] = {}
    for spec in specs:
        if isinstance(spec, AgentNode):
            rounds[spec.id], agents[spec.id] = spec.config.max_turns, spec.config
        elif isinstance(spec, LoopNode) and isinstance(spec.config, WhileConfig):
            rounds[spec.id] = spec.config.max_iterations + 1  # its condition is asked once more than its body runs
        elif isinstance(spec, LoopNode) and isinstance(spec.config, ForEachConfig) and spec.config.max_items:
            items[spec.id] = spec.config.max_items
    return Bounds(rounds, items, agents)


def all_nodes(graph: Graph) -> Iterator[Node]:
    """The nodes of a graph and of every graph inside it."""
    waiting = [graph]
    while waiting:
        for node in waiting.pop().nodes:
            yield node
            if isinstance(node, LoopNode):
                waiting.append(node.config.body)
            elif isinstance(node, ParallelNode):
                waiting.extend(node.config.branches.values())
