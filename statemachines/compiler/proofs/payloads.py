"""Whether what states hand on can pass 256 KiB: the text of the definition itself, and what authors say of sizes.

  literal    text in one state that is longer: an error, since the state could never be entered and left
  list       a `for_each` whose outputs, all in one list, may take less than SMALL_OUTPUT bytes each: a warning
  together   branches of a fork whose outputs meet in one state (256 KiB), and outputs that one execution keeps at the
             same time (10 MiB), by the `max_response_bytes` that are written out: a warning

Of other outputs nothing is known but that none is above 200,000 bytes: node Lambdas hand in what is larger, see
shared.workflow.claim_checks. A warning for each that could be large would be one for nearly every workflow.
"""

import json
from collections.abc import Iterator
from typing import Any

from shared.workflow.claim_checks import MAX_INLINE_BYTES
from shared.workflow.definition import ForEachConfig, LoopNode, WebhookNode
from shared.workflow.expressions import source_of
from statemachines.asl.limits import MAX_INLINE_MAP_CONCURRENCY, MAX_PAYLOAD_BYTES, MAX_VARIABLES_BYTES
from statemachines.asl.model import Machine, State
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Fork, GraphNode, Place, Variable

SMALL_OUTPUT = 100
"""Bytes: hardly any node's output is smaller."""

_FIELDS = ("Arguments", "Output", "Assign", "Items", "ItemSelector")


def payloads(compilation: Compilation) -> None:
    """Adds a diagnostic for each payload that is, or may well be, too large."""
    for name, state in _states(compilation.asl):
        _literal(compilation, name, state)
    for node in compilation.nodes.values():
        _list(compilation, node)
    for returned in _forks(compilation).values():
        _together(compilation, returned)
    _kept(compilation)


def _states(machine: Machine) -> Iterator[tuple[str, State]]:
    waiting = [machine]
    while waiting:
        for name, state in waiting.pop()["States"].items():
            yield name, state
            waiting.extend(state.get("Branches", []))
            if "ItemProcessor" in state:
                waiting.append(state["ItemProcessor"])


def _literal(compilation: Compilation, name: str, state: State) -> None:
    size = max(_bytes(state[field]) for field in _FIELDS if field in state) if state.keys() & set(_FIELDS) else 0  # type: ignore[literal-required]  # fields of State
    if size > MAX_PAYLOAD_BYTES:
        meaning = compilation.states[name]
        node = compilation.nodes.get(meaning["node"] or next(iter(meaning["fused"]), ""))
        message = f"The text in '{node.id if node else name}' has {size} bytes; a state hands on at most 256 KiB."
        fix = "Move large texts out of the definition: into the input, a tool, or a service that a webhook asks."
        where = {"path": f"{node.path}.config", "node": node.id} if node else {"path": "output"}
        compilation.error("limit.payload", message=message, value=size, allowed=MAX_PAYLOAD_BYTES, fix=fix, **where)


def _bytes(template: Any) -> int:
    """Of the JSON of a template, without what expressions will give."""
    if isinstance(template, str):
        return 0 if source_of(template) is not None else len(json.dumps(template, ensure_ascii=False).encode())
    if isinstance(template, dict):
        return sum(
            len(json.dumps(key, ensure_ascii=False).encode()) + 2 + _bytes(each) for key, each in template.items()
        )
    if isinstance(template, list):
        return sum(1 + _bytes(each) for each in template)
    return len(json.dumps(template))


def _list(compilation: Compilation, node: GraphNode) -> None:
    config = node.spec.config if isinstance(node.spec, LoopNode) else None
    if not isinstance(config, ForEachConfig) or config.max_items is None or Variable(node.id) not in compilation.kept:
        return
    each = MAX_PAYLOAD_BYTES // config.max_items
    if each < SMALL_OUTPUT:
        message = (
            f"The outputs of {config.max_items} items make one list, which may have 256 KiB: {each} bytes for each."
        )
        fix = "Let the body's `output` be a number or a short text, and let the body itself store what is larger."
        path, more = f"{node.path}.config.max_items", {"value": config.max_items, "fix": fix}
        compilation.warn("limit.payload_list", path, message, node=node.id, **more)


def _forks(compilation: Compilation) -> dict[Fork, dict[str, None]]:
    """Of each fork the nodes whose outputs its branches hand out."""
    found: dict[Fork, dict[str, None]] = {}
    seen: set[Place] = set()
    for step in compilation.steps.values():
        place: Place | None = step.place
        while place is not None and place not in seen:
            seen.add(place)
            if place.fork is not None:
                returned = (variable.node for variable in place.returns if not variable.flag)
                found.setdefault(place.fork, {}).update(dict.fromkeys(returned))
            place = place.parent
    return found


def _together(compilation: Compilation, returned: dict[str, None]) -> None:
    sizes = {node: size for node in returned if (size := _stated(compilation.nodes[node]))}
    total = sum(sizes.values())
    if total > MAX_PAYLOAD_BYTES:
        names = ", ".join(f"'{node}'" for node in sizes)
        message = f"The answers of {names} meet in one state; together they may have {total} bytes, and 256 KiB fit."
        fix = "Lower `max_response_bytes`, or let a transform in each branch hand out only what is read."
        first = compilation.nodes[next(iter(sizes))]
        more = {"value": total, "allowed": MAX_PAYLOAD_BYTES, "fix": fix}
        compilation.warn(
            "limit.payload_together", f"{first.path}.config.max_response_bytes", message, node=first.id, **more
        )


def _kept(compilation: Compilation) -> None:
    """Each of the executions: the workflow's own, and those of a distributed loop's items."""
    kept: dict[str, int] = {}
    for node in compilation.nodes.values():
        if (size := _stated(node)) and Variable(node.id) in compilation.kept:
            whose, copies = _scope(compilation, node)
            kept[whose] = kept.get(whose, 0) + size * copies
    for whose, total in kept.items():
        if total > MAX_VARIABLES_BYTES:
            subject = f"An item of '{whose}'" if whose else "An execution"
            message = f"{subject} may keep answers of {total} bytes at the same time; its variables may have 10 MiB."
            fix = "Lower `max_response_bytes` or `max_concurrency`, or use `mode: distributed`."
            path = compilation.nodes[whose].path if whose else "nodes"
            more = {"value": total, "allowed": MAX_VARIABLES_BYTES, "fix": fix}
            compilation.warn("limit.payload_together", path, message, node=whose or None, **more)


def _scope(compilation: Compilation, node: GraphNode) -> tuple[str, int]:
    """The distributed loop whose items' executions keep a node's output (or ''), and how many times at once."""
    copies, owner = 1, node.graph.owner
    while owner is not None:
        if owner.id in compilation.distributed:
            return owner.id, copies
        config = owner.spec.config if isinstance(owner.spec, LoopNode) else None
        if isinstance(config, ForEachConfig):
            most = min(config.max_concurrency, MAX_INLINE_MAP_CONCURRENCY)
            copies *= min(most, config.max_items or most)
        owner = owner.graph.owner
    return "", copies


def _stated(node: GraphNode) -> int:
    """The bytes that an author expects of a node; 0 where none are written out."""
    if not isinstance(node.spec, WebhookNode) or "max_response_bytes" not in node.spec.config.model_fields_set:
        return 0
    return min(node.spec.config.max_response_bytes, MAX_INLINE_BYTES)
