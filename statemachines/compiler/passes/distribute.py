"""Distributing: which loops run their iterations as executions of their own.

Before:  for_each with max_items 10000 and a body of one webhook: 23 events for each item, all in one history
After:   `Compilation.distributed` holds the loop's id; the history of the workflow itself gets 8 events

Step Functions ends a standard execution whose history reaches 25,000 events. Inline iterations write into the history
of the workflow, those of a distributed Map into one of their own.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html
"""

from shared.workflow.definition import (
    AgentNode,
    ApprovalNode,
    ForEachConfig,
    LoopNode,
    ParallelNode,
    Retry,
    SubworkflowNode,
    ToolNode,
    WebhookNode,
    WhileConfig,
)
from statemachines.asl.limits import MAX_HISTORY_EVENTS, MAX_INLINE_MAP_CONCURRENCY
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Graph, GraphNode

INLINE_EVENTS = MAX_HISTORY_EVENTS * 4 // 5
"""What one loop may take of the history; the rest is for the nodes around it."""

_STATE, _CONTAINER, _ITERATION, _ATTEMPT, _MAP_RUN = 2, 4, 2, 3, 8


def distribute(compilation: Compilation) -> None:
    """Fills in `distributed`; adds a diagnostic where an author asks for a loop inline that cannot be."""
    if compilation.settings.mode == "express":
        return  # its history has no bound, and it cannot have a distributed Map
    for node in compilation.nodes.values():
        config = node.spec.config if isinstance(node.spec, LoopNode) else None
        if isinstance(config, ForEachConfig) and _distributed(config, node):
            compilation.distributed.add(node.id)
        elif isinstance(config, ForEachConfig) and (events := _inline(config, node)) > INLINE_EVENTS:
            message = f"{config.max_items} items of '{node.id}' may write {events} events into one history."
            fix = "Use `mode: distributed`, lower `max_items`, or make the body smaller."
            path = f"{node.path}.config.mode"
            more = {"value": "inline", "allowed": INLINE_EVENTS, "fix": fix}
            compilation.error("limit.loop_events", path, message, node=node.id, **more)


def _distributed(config: ForEachConfig, node: GraphNode) -> bool:
    if config.mode != "auto":
        return config.mode == "distributed"
    return config.max_concurrency > MAX_INLINE_MAP_CONCURRENCY or _inline(config, node) > INLINE_EVENTS


def _inline(config: ForEachConfig, node: GraphNode) -> int:
    """The most events of a loop that runs inline. A list of which nothing is known counts as one item: who lets more
    in can say so by `max_items`."""
    return _CONTAINER + (config.max_items or 1) * (
        2 * _ITERATION + _CONTAINER + 2 * _STATE + events(node.bodies["body"])
    )


def events(graph: Graph) -> int:
    """The most events that one run of a graph writes, as if every node ran, and every agent called one tool a turn."""
    return sum(_events(node) for node in graph.nodes.values())


def _events(node: GraphNode) -> int:
    spec = node.spec
    task = _STATE + _ATTEMPT * ((spec.retry if spec else None) or Retry()).max_attempts
    if isinstance(spec, AgentNode) and (spec.config.tools or spec.config.output_schema):
        return _CONTAINER + spec.config.max_turns * (2 * task + _STATE + _CONTAINER + _ITERATION) + _STATE
    if isinstance(spec, AgentNode | ToolNode | WebhookNode):
        return task
    attempts = spec.retry.max_attempts if spec and spec.retry else 1
    return _CONTAINER + attempts * _block(node)


def _block(node: GraphNode) -> int:
    """Of one attempt at a node that is not tried again by itself."""
    inside = sum(events(body) for body in node.bodies.values())
    match node.spec:
        case LoopNode(config=ForEachConfig() as config):
            return _MAP_RUN if _distributed(config, node) else _inline(config, node)
        case LoopNode(config=WhileConfig() as config):
            return 3 * _STATE + config.max_iterations * (2 * _STATE + inside)
        case ParallelNode():
            return len(node.bodies) * _STATE + inside
        case ApprovalNode() | SubworkflowNode():
            return 2 * (_STATE + _ATTEMPT)
    return _STATE
