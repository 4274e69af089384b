"""Size: what is large compiles, quickly enough, or is answered with the limit that it breaks."""

import json
from typing import Any

import pytest

from shared.errors import InvalidDefinition
from statemachines.compiler import compile_workflow
from tests.compiler.run import judged, start


def transform(index: int, output: Any = 1) -> dict[str, Any]:
    return {"id": f"n{index}", "type": "transform", "config": {"output": output}}


def workflow(nodes: list[dict[str, Any]], edges: list[tuple[int, int]], **more: Any) -> dict[str, Any]:
    return {"name": "large", "nodes": nodes, "edges": [{"from": f"n{a}", "to": f"n{b}"} for a, b in edges], **more}


def codes(document: Any) -> set[str]:
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow(document)
    return {each.code for each in caught.value.diagnostics}


@pytest.mark.timeout(30)
def test_a_chain_of_5000_nodes() -> None:
    nodes = [transform(0, 0), *(transform(i, f"{{% $n{i - 1} + 1 %}}") for i in range(1, 5000))]
    assert judged(workflow(nodes, [(i - 1, i) for i in range(1, 5000)])) == {"n4999": 4999}


@pytest.mark.timeout(30)
def test_conditions_within_one_another() -> None:
    cases = {"cases": [{"case": "on", "when": "{% $input %}"}], "default": "off"}
    nodes = [{"id": f"n{i}", "type": "condition", "config": cases} for i in range(1500)]
    edges = [{"from": f"n{i - 1}", "to": f"n{i}", "case": "on"} for i in range(1, 1500)]
    machine = start({"name": "deep", "nodes": nodes, "edges": edges}, True)
    assert machine.run(machine.input) == {"n1499": {"case": "on"}}
    assert start({"name": "deep", "nodes": nodes, "edges": edges}, False).run({"input": False}) == {}


@pytest.mark.timeout(30)
def test_a_side_branch_at_each_of_500_steps_does_not_nest_500_deep() -> None:
    nodes = [transform(i) for i in range(1001)]
    edges = [edge for i in range(500) for edge in ((2 * i, 2 * i + 1), (2 * i, 2 * i + 2))]
    machine = start(workflow(nodes, edges))
    assert len(machine.run(machine.input)) == 501
    json.dumps(machine.asl)  # fails above Python's own depth


def test_a_definition_above_one_megabyte() -> None:
    assert codes(workflow([transform(0, "x" * 1_100_000)], [])) == {"limit.definition_size"}


def test_too_many_nodes() -> None:
    assert codes(workflow([transform(i) for i in range(5001)], [])) == {"limit.nodes"}


def test_bodies_within_one_another() -> None:
    graph: dict[str, Any] = {"nodes": [transform(0)]}
    for i in range(1, 12):
        config = {"kind": "for_each", "items": "{% [1] %}", "body": graph}
        graph = {"nodes": [{"id": f"n{i}", "type": "loop", "config": config}]}
    assert codes({"name": "deep", **graph}) == {"limit.body_depth"}


def test_the_longest_ids_still_give_names_that_are_allowed() -> None:
    long = "a" * 63
    cases = {"cases": [{"case": "on", "when": "{% true %}"}]}
    nodes = [
        {"id": f"{long}0", "type": "condition", "config": cases},
        {"id": f"{long}1", "type": "webhook", "config": {"url": "https://x/"}},
        {"id": f"{long}2", "type": "transform", "config": {"output": 1}},
    ]
    edges = [
        {"from": f"{long}0", "to": f"{long}1", "case": "on"},
        {"from": f"{long}0", "to": f"{long}2", "error": True},
        {"from": f"{long}1", "to": f"{long}2", "error": True},
    ]
    assert judged({"name": "long", "nodes": nodes, "edges": edges}) == {}


def test_the_same_definition_gives_the_same_digest_and_another_one_another() -> None:
    first, same, other = (compile_workflow(workflow([transform(0, value)], [])) for value in (1, 1, 2))
    assert first.digest == same.digest
    assert json.dumps(first.asl) == json.dumps(same.asl)
    assert first.digest != other.digest
