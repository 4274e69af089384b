"""Random acyclic workflows: forks, joins, N shapes, conditions that cross forks, error edges, on_error: continue."""

from typing import Any

from hypothesis import strategies as st

CASES = ("a", "b", "other")


@st.composite
def workflows(draw: st.DrawFn, max_nodes: int = 10) -> tuple[dict[str, Any], dict[str, Any]]:
    """(workflow, input)."""
    count = draw(st.integers(1, max_nodes))
    density = draw(st.sampled_from([1, 2, 3]))
    upstream: list[set[int]] = []
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for index in range(count):
        sources = draw(st.lists(st.integers(0, index - 1), max_size=density, unique=True)) if index else []
        upstream.append(set(sources).union(*(upstream[source] for source in sources)))
        for source in sources:
            edges.extend(_edges(draw, nodes[source], index))
        reads = sorted(draw(st.sets(st.sampled_from(sorted(upstream[index])), max_size=3))) if upstream[index] else []
        nodes.append(_node(draw, index, reads))
    failing = {edge["from"] for edge in edges if edge.get("error")}
    for node in nodes:
        if node["id"] in failing or node["type"] == "condition":
            node.pop("on_error", None)
    fails = draw(st.sets(st.sampled_from([node["id"] for node in nodes]), max_size=3))
    chosen = {node["id"]: draw(st.sampled_from(CASES)) for node in nodes if node["type"] == "condition"}
    workflow = {"name": "random", "nodes": nodes, "edges": edges}
    if draw(st.booleans()):
        workflow["output"] = f"{{% {_saw(range(count))} %}}"
    return workflow, {"fails": sorted(fails), "chosen": chosen}


def _edges(draw: st.DrawFn, source: dict[str, Any], target: int) -> list[dict[str, Any]]:
    edge = {"from": source["id"], "to": f"n{target}"}
    kind = draw(st.sampled_from(["plain", "plain", "plain", "error"]))
    if kind == "error":
        return [{**edge, "error": True}]
    if source["type"] == "condition":
        cases = draw(st.lists(st.sampled_from(CASES), min_size=1, max_size=2, unique=True))
        return [{**edge, "case": case} for case in cases]
    return [edge]


def _node(draw: st.DrawFn, index: int, reads: list[int]) -> dict[str, Any]:
    name = f"n{index}"
    kind = draw(st.sampled_from(["transform", "webhook", "condition"]))
    saw = _saw(reads)
    if kind == "condition":
        boom = f"'{name}' in $input.fails ? $error('boom')"
        whens = [f"{{% {boom} : $lookup($input.chosen, '{name}') = '{case}' %}}" for case in CASES[:2]]
        cases = [{"case": case, "when": when} for case, when in zip(CASES, whens, strict=False)]
        return {"id": name, "type": kind, "config": {"cases": cases, "default": CASES[2]}}
    node: dict[str, Any] = {"id": name, "type": kind, "on_error": draw(st.sampled_from(["fail", "continue"]))}
    if kind == "webhook":
        config: dict[str, Any] = {"url": "http://x/", "body": f"{{% {saw} %}}"}
        return {**node, "config": config, "retry": {"max_attempts": 1}}
    output = f"{{% '{name}' in $input.fails ? $error('boom') : {{'v': '{name}', 'saw': {saw}}} %}}"
    return {**node, "config": {"output": output}}


def _saw(reads: Any) -> str:
    """An object that tells of each node whether it is there, and what of it."""
    members = [
        f"'n{i}': {{'there': $exists($n{i}), 'v': $n{i}.v, 'case': $n{i}.case, 'e': $n{i}.error.name}}" for i in reads
    ]
    return f"{{{', '.join(members)}}}"
