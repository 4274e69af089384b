"""Emitting: the finished workflow.

Before:  states and diagnostics
After:   CompiledWorkflow: the ASL, which node each state stands for, warnings, and a digest that is the same for the
         same ASL
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from shared.errors import Diagnostic
from shared.workflow.definition import LoopNode, WhileConfig, WorkflowDefinition
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import GraphNode, Variable
from statemachines.compiler.variables import Variables


@dataclass(frozen=True, slots=True)
class CompiledWorkflow:
    """A workflow that can be published."""

    definition: WorkflowDefinition
    asl: dict[str, Any]
    source_map: dict[str, Any]
    """`{"states": {name: {"node", "role", "fused"}}, "nodes": {id: {"type", "name", "variable"?, "rounds"?}}}`.

    `node` is None for states that belong to no single node; `fused` lists other nodes that complete when this state
    exits; `variable` holds the node's output where that is not the one of its id; `rounds` says that the loop around
    the node is a `while`, whose rounds the history does not count as it does the iterations of a Map."""
    warnings: list[Diagnostic]
    digest: str
    """SHA-256 of the ASL's canonical JSON, hex."""


def emit(compilation: Compilation) -> CompiledWorkflow:
    """The result of a compilation without errors."""
    asl: dict[str, Any] = {**compilation.asl}
    return CompiledWorkflow(
        definition=WorkflowDefinition.model_validate(compilation.document),
        asl=asl,
        source_map={"states": dict(reversed(compilation.states.items())), "nodes": _nodes(compilation)},
        warnings=[each for each in compilation.diagnostics if each.severity == "warning"],
        digest=digest(asl),
    )


def _nodes(compilation: Compilation) -> dict[str, dict[str, Any]]:
    variables = Variables(compilation)
    nodes: dict[str, dict[str, Any]] = {}
    for node in compilation.nodes.values():
        if node.spec is not None:
            nodes[node.id] = {"type": node.spec.type, "name": node.spec.name or node.id}
            name = variables.name(Variable(node.id))
            variable = compilation.members.get(name, name)
            if variable != node.id:
                nodes[node.id]["variable"] = variable
            if _in_while(node):
                nodes[node.id]["rounds"] = True
    return nodes


def _in_while(node: GraphNode) -> bool:
    owner = node.graph.owner
    while owner is not None and not isinstance(owner.spec, LoopNode):
        owner = owner.graph.owner
    return owner is not None and isinstance(owner.spec, LoopNode) and isinstance(owner.spec.config, WhileConfig)


def digest(asl: dict[str, Any]) -> str:
    """SHA-256, hex, of the JSON with sorted keys and without spaces."""
    text = json.dumps(asl, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
