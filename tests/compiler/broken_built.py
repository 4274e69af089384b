"""Broken definitions that no file could hold: too large, too deep, or with values that YAML cannot write."""

from typing import Any

LONG = "a" * 64


def transform(name: str, output: Any = 1) -> dict[str, Any]:
    return {"id": name, "type": "transform", "config": {"output": output}}


def workflow(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "broken", "nodes": list(nodes), **more}


def nested(levels: int) -> dict[str, Any]:
    """Loops within one another."""
    node = transform("n0")
    for level in range(1, levels + 1):
        config = {"kind": "for_each", "items": "{% [1] %}", "body": {"nodes": [node]}}
        node = {"id": f"n{level}", "type": "loop", "config": config}
    return node


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BUILT: dict[str, Any] = {
    "built_too_deep": workflow(transform("a", deep(150))),
    "built_half_a_character": workflow(transform("a", "\ud800")),
    "built_nul": workflow(transform("a", "a\0b")),
    "built_not_finite": workflow(transform("a", float("inf"))),
    "built_large_number": workflow(transform("a", 2**63)),
    "built_key_that_is_no_text": workflow(transform("a", {1: 2})),
    "built_value_of_python": workflow(transform("a", {"x": {1, 2}})),
    "built_nodes": workflow(*(transform(f"n{index}") for index in range(5_001))),
    "built_edges": workflow(transform("a"), edges=[{"from": "a", "to": "a"}] * 20_001),
    "built_definition_size": workflow(transform("a", "x" * 1_100_000)),
    "built_payload": workflow(transform("a", ["x" * 100_000, "y" * 200_000])),
    "built_body_depth": workflow(nested(9)),
    "built_state_name": workflow(
        {
            "id": LONG,
            "type": "parallel",
            "config": {"branches": {f"b{index}": {"nodes": [transform(f"n{index}")]} for index in range(10)}},
        }
    )
    | {"settings": {"optimize": False}},  # else the helper states with the long names are fused away
}
"""By name of the golden file."""
