"""Limits: what Step Functions would refuse, said here.

Before:  a machine whose definition has 1.4 MB
After:   the diagnostic `limit.definition_size`, which says so and how to split the workflow
"""

import json

from statemachines.asl.limits import (
    MAX_DEFINITION_BYTES,
    MAX_NESTED_SCOPES,
    MAX_STATE_NAME_CHARACTERS,
)
from statemachines.asl.model import Machine
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.proofs.history import history
from statemachines.compiler.proofs.payloads import payloads


def limits(compilation: Compilation) -> None:
    """Adds a diagnostic for each limit that the definition breaks."""
    depth = _nesting(compilation.asl)
    if depth > MAX_NESTED_SCOPES:
        compilation.error(
            "limit.nesting",
            "nodes",
            f"Concurrent branches nest {depth} deep.",
            value=depth,
            allowed=MAX_NESTED_SCOPES,
            fix="Move inner branches into a workflow of their own, run by a node of type `workflow`.",
        )
        return
    size = len(json.dumps(compilation.asl, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_DEFINITION_BYTES:
        compilation.error(
            "limit.definition_size",
            "",
            f"The compiled definition has {size} bytes.",
            value=size,
            allowed=MAX_DEFINITION_BYTES,
            fix="Split the workflow and run the parts by nodes of type `workflow`, or move large literals out of it.",
        )
    for name in compilation.states:
        if len(name) > MAX_STATE_NAME_CHARACTERS:
            compilation.error(
                "limit.state_name",
                "nodes",
                f"The state name '{name}' has {len(name)} characters.",
                value=name,
                allowed=MAX_STATE_NAME_CHARACTERS,
                fix="Shorten the node's id.",
            )
    if not compilation.failed:
        history(compilation)
        payloads(compilation)


def _nesting(machine: Machine) -> int:
    """How many Parallel and Map states are within one another at most."""
    depth, level = 0, [machine]
    while level:
        inner = [
            each
            for scope in level
            for state in scope["States"].values()
            for each in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]
        ]
        depth, level = depth + bool(inner), inner
    return depth
