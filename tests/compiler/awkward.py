"""Chains of small nodes whose expressions are where JSONata and JSON disagree: arrays of one, absent members, null,
arrays that remember how they were made; with conditions, loops and HTTP calls in between."""

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

INPUT = {
    "one": [{"b": 1}],
    "rows": [{"a": 1, "b": [2]}, {"a": 3, "b": [4, 5]}],
    "nested": [[1], [2, 3], []],
    "empty": [],
    "nothing": None,
    "text": "x",
    "deep": {"x": [[7]], "y": {"x": [8]}},
    "third": 1 / 3,
    "long": 1234567890123456,
}

_EXPRESSIONS = (
    "$p",
    "$p.x",
    "[$p]",
    "[$p.x]",
    "$p.x.b",
    "$p.b[]",
    "$p.x[0]",
    "$p.$",
    "$p[0]",
    "$p.x.$",
    "$p.[x, b]",
    "$p.x.[$]",
    "{'x': $p.x}",
    "{'x': $p}",
    "{'x': [$p]}",
    "{'x': $p.b[]}",
    "{'x': $p.x[], 'b': $count($p)}",
    "{'x': $input.rows.b}",
    "{'x': $input.rows.[a, b]}",
    "{'x': $input.one.b[]}",
    "{'x': $input.nested}",
    "{'x': $input.third, 'b': $input.long}",
    "{'x': $map($input.rows, function($r) { [$r.a, $r.b] })}",
    "{'x': $exists($p.x) ? $p.x : 'none'}",
    "$input.rows.{'x': [a], 'b': b}",
    "$input.rows{$string(a): b}",
    "$map($input.rows, function($r) { $r.b })",
    "$append($p, $p.x)",
    "$merge([{'x': $p}, {'b': 1}])",
    "$input.nested",
    "$input.one.b[]",
    "$input.rows.b",
    "$input.empty",
    "$input.nothing",
    "$type($p)",
    "$string($p)",
    "$count($p.x) > 1 ? $p : [[$p]]",
    "$input.rows ~> $count",
    "$p ~> | $ | {'z': 1} |",
    "$sort($input.rows.a)[]",
    "$zip($input.rows.a, $input.rows.a)",
    "$error('boom')",
    "$p.missing.member",
    "$p + 1",
)

_SHAPES = ("plain", "object", "list")


def _template(draw: st.DrawFn, before: list[str]) -> Any:
    def expression() -> str:
        name = draw(st.sampled_from(before)) if before else "input"
        return f"{{% {draw(st.sampled_from(_EXPRESSIONS)).replace('$p', f'${name}')} %}}"

    shape = draw(st.sampled_from(_SHAPES))
    if shape == "plain":
        return expression()
    if shape == "object":
        return {"x": expression(), "b": draw(st.sampled_from([1, [1], None, "b", {}]))}
    return [expression(), draw(st.sampled_from([[2], "c"]))]


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """A sequence of up to nine nodes, each of which reads any one before it."""
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    before: list[str] = []
    for index in range(draw(st.integers(2, 9))):
        node = _node(draw, f"n{index}", before)
        if nodes:
            edges += _edges(nodes[-1], node["id"])
        nodes.append(node)
        before.append(node["id"])
    workflow: dict[str, Any] = {"name": "awkward", "nodes": nodes, "edges": edges}
    if draw(st.booleans()):
        workflow["output"] = _template(draw, before)
    return workflow


def _edges(source: dict[str, Any], target: str) -> list[dict[str, Any]]:
    if source["type"] == "condition":
        return [{"from": source["id"], "to": target, "case": case} for case in ("yes", "no")]
    return [{"from": source["id"], "to": target}]


def _node(draw: st.DrawFn, name: str, before: list[str]) -> dict[str, Any]:
    kinds = ["transform"] * 6 + ["webhook", "condition", "for_each", "while", "delay", "parallel"]
    kind = draw(st.sampled_from(kinds))
    template = _template(draw, before)
    node: dict[str, Any] = {"id": name, "type": kind}
    if kind == "transform":
        return {**node, "config": {"output": template}}
    if kind == "webhook":
        error = draw(st.sampled_from(["fail", "continue"]))
        return {**node, "config": {"url": "http://x/", "body": template}, "on_error": error}
    if kind == "condition":
        when = f"{{% $exists(${before[-1]}.x) %}}" if before else "{% true %}"
        return {**node, "config": {"cases": [{"case": "yes", "when": when}], "default": "no"}}
    if kind == "delay":
        return {**node, "config": {"seconds": 1}}
    if kind == "parallel":
        return {**node, "config": {"branches": {"one": _body(draw, f"{name}a", before)}}}
    body = _body(draw, f"{name}a", [*before, "item"])
    if kind == "for_each":
        config = {"kind": kind, "items": "{% $input.rows %}", "body": body}
    else:
        config = {"kind": kind, "condition": "{% $index < 2 %}", "initial": draw(st.sampled_from([None, [1]]))}
        config["body"] = body
    return {**node, "type": "loop", "config": config}


def _body(draw: st.DrawFn, name: str, before: list[str]) -> dict[str, Any]:
    nodes = []
    for index in range(draw(st.integers(1, 3))):
        config: dict[str, Any] = {"output": _template(draw, before)}
        kind = draw(st.sampled_from(["transform", "transform", "webhook"]))
        if kind == "webhook":
            config = {"url": "http://x/", "body": config["output"]}
        nodes.append({"id": f"{name}{index}", "type": kind, "config": config})
        before = [*before, f"{name}{index}"]
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(nodes)]
    body: dict[str, Any] = {"nodes": nodes, "edges": edges}
    if draw(st.booleans()):
        body["output"] = _template(draw, before)
    return body
