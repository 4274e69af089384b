"""What compiled definitions do when they run: values, loops, branches, errors."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.compiler.golden import CASES
from tests.compiler.run import fails, interpreted, judged, start
from tests.compiler.strict_machine import StateError

Result = Callable[..., Any]


@pytest.fixture(params=[judged, interpreted], ids=["strict machine", "interpreter"])
def machine(request: pytest.FixtureRequest) -> Result:
    """The tests' own strict machine, and the interpreter that users run."""
    return request.param


@pytest.fixture(params=[True, False], ids=["fused", "one state per node"])
def result(request: pytest.FixtureRequest, machine: Result) -> Result:
    """Runs a definition."""
    return partial(machine, optimize=request.param)


def case(name: str) -> str:
    return (CASES / name / "workflow.yaml").read_text()


@pytest.mark.parametrize("urgency", [9, 1])
def test_the_two_ways_of_a_condition_meet_again(urgency: int) -> None:
    def work(payload):
        if payload["node"] == "classify":
            return {"urgency": urgency, "summary": payload["config"]["prompt"]}
        return {"status": 200, "sent": payload["config"]["body"]}

    machine = start(case("route_and_join"), {"body": "fire", "pager": "https://p/"}, work, optimize=False)
    found = machine.run(machine.input)

    combined = {"combined": {"paged": 200, "note": "fire"}} if urgency == 9 else {}
    assert found == {"reply": 200, "by": "e1", **combined}
    assert ("queue_up" in machine.entered) == (urgency == 1)
    assert machine.entered.count("reply") == 1


@pytest.mark.parametrize("value", [[1], [], [[1, 2]], None, {"a": [None]}, "{% $input %}", False, 0, ""])
def test_values_arrive_as_they_are(result: Result, value) -> None:
    fork = {
        "name": "values",
        "nodes": [
            {"id": "a", "type": "transform", "config": {"output": "{% $input %}"}},
            {"id": "b", "type": "webhook", "config": {"url": "https://x/", "body": "{% $a %}"}},
            {"id": "c", "type": "transform", "config": {"output": "{% $a %}"}},
            {"id": "d", "type": "transform", "config": {"output": {"b": "{% $b %}", "c": "{% $c %}"}}},
        ],
        "edges": [{"from": x, "to": y} for x, y in ("ab", "ac", "bd", "cd")],
        "output": {"a": "{% $a %}", "b": "{% $b %}", "d": "{% $d %}"},
    }
    assert result(fork, value) == {"a": value, "b": value, "d": {"b": value, "c": value}}


def test_literal_text_that_looks_like_an_expression_is_not_evaluated(result: Result) -> None:
    seen = []
    result(case("reserved_looks"), None, lambda payload: seen.append(payload["config"]))
    assert seen[0]["output_schema"]["description"] == "{% this is text %}"


def test_absent_values_stop_a_case_from_being_taken(result: Result) -> None:
    definition = """
name: absent
nodes:
  - {id: c, type: condition, config: {cases: [{case: big, when: "{% $input.missing > 3 %}"}], default: small}}
"""
    assert result(definition, {}) == {"c": {"case": "small"}}


def test_a_condition_without_a_matching_case_fails(result: Result) -> None:
    with pytest.raises(StateError) as caught:
        result(case("no_default"), {"kind": "c"})
    assert caught.value.error == "States.Runtime"


def test_only_live_sinks_are_in_the_result(result: Result) -> None:
    assert result(case("no_default"), {"kind": "b"}) == {"do_b": "B"}


def test_for_each_gives_the_bodies_outputs_in_order_and_keeps_failed_items(result: Result) -> None:
    def work(payload):
        body = payload["config"]["body"]
        if body["index"] == 1:
            raise StateError("DestinationRefused", "no")
        return {"body": body["value"]}

    found = result(
        case("for_each") + "output: '{% $each_item %}'",
        {"items": [1, 2, 3]},
        work,
    )
    assert found == [12, {"error": {"name": "DestinationRefused", "cause": "no"}}, 16]


def test_for_each_over_nothing(result: Result) -> None:
    assert result(case("for_each"), {"items": []}) == {"total": 0}


def test_while_runs_until_its_condition_fails(result: Result) -> None:
    calls, iterations = [], []

    def work(payload):
        calls.append((payload["config"]["url"], payload["config"]["body"]))
        iterations.append(payload["iteration"])
        return {"body": {"done": len(calls) == 3, "round": len(calls)}}

    assert result(case("while"), None, work) == {"poll": {"done": True, "round": 3}}
    assert iterations == [[0], [1], [2]]
    assert [url for url, _ in calls] == [f"https://example.com/{index}" for index in range(3)]
    assert calls[1][1] == {"done": False, "round": 1}


def test_while_fails_at_its_bound_and_the_failure_can_be_caught(result: Result) -> None:
    def work(payload):
        return {"body": {"done": False}}

    with pytest.raises(StateError) as caught:
        result(case("while"), None, work)
    assert caught.value.error == "LoopLimitExceeded"
    forgiving = case("while").replace("type: loop", "type: loop\n    on_error: continue")
    assert result(forgiving, None, work)["poll"]["error"]["name"] == "LoopLimitExceeded"


def test_rounds_of_a_while_loop_do_not_see_what_an_earlier_round_did(result: Result) -> None:
    definition = """
name: rounds
nodes:
  - id: loop1
    type: loop
    config:
      kind: while
      condition: "{% $index < 3 %}"
      initial: []
      body:
        nodes:
          - {id: c, type: condition, config: {cases: [{case: even, when: "{% $index % 2 = 0 %}"}], default: odd}}
          - {id: mark, type: transform, config: {output: 1}}
          - {id: join1, type: transform, config: {output: "{% $append($item, [$exists($mark)]) %}"}}
        edges:
          - {from: c, to: mark, case: even}
          - {from: c, to: join1, case: odd}
          - {from: mark, to: join1}
        output: "{% $join1 %}"
output: "{% $loop1 %}"
"""
    assert result(definition) == [True, False, True]


def test_loops_nest_with_items_of_their_own(result: Result) -> None:
    definition = """
name: nested
nodes:
  - id: outer
    type: loop
    config:
      kind: for_each
      items: "{% $input %}"
      body:
        nodes:
          - {id: row, type: transform, config: {output: "{% $item %}"}}
          - id: inner
            type: loop
            config:
              kind: for_each
              items: "{% $row %}"
              body:
                nodes: [{id: cell, type: transform, config: {output: "{% $item * $index + $count($row) %}"}}]
                output: "{% $cell %}"
        edges: [{from: row, to: inner}]
        output: "{% [[$inner], $index] %}"
output: "{% $outer %}"
"""
    assert result(definition, [[1, 2], [5]]) == [[[2, 4], 0], [[1], 1]]


def test_parallel_gives_its_branches_by_name(result: Result) -> None:
    definition = case("parallel") + "output: '{% $both %}'"
    assert result(definition, {"l": 7}, lambda _: {"status": 204}) == {"left": 7, "right": {"r1": {"status": 204}}}


def test_a_failure_takes_the_error_edge(result: Result) -> None:
    assert result(case("error_edge"), None, fails("call")) == {"after": {"good": False, "bad": True}}
    assert result(case("error_edge"), None, lambda _: {"body": 1}) == {"after": {"good": True, "bad": False}}


def test_a_failure_that_continues_is_the_output(result: Result) -> None:
    definition = case("on_error_continue") + "output: '{% $call %}'"
    error = {"name": "DestinationRefused", "cause": '{"errorMessage": "403"}'}
    assert result(definition, None, fails("call")) == {"error": error}


def test_a_failing_branch_fails_the_execution(result: Result) -> None:
    with pytest.raises(StateError):
        result(case("condition_across_fork"), {"both": True}, fails("other"))


@pytest.mark.parametrize(("both", "expected"), [(True, {"joined": {"other": 1, "by": "both"}}), (False, None)])
def test_a_condition_decides_across_a_fork(result: Result, both, expected) -> None:
    expected = expected or {"alone": {"alone": True}, "joined": {"other": 1, "by": "alone"}}
    assert result(case("condition_across_fork"), {"both": both}, lambda _: {"status": 1}) == expected


def test_pure_nodes_can_fail_softly(result: Result) -> None:
    assert result(case("error_edge_of_pure_nodes"), {"value": 2}) == {"pause": {}}
    assert result(case("error_edge_of_pure_nodes"), {}) == {"rescue": "States.QueryEvaluationError"}


@pytest.mark.parametrize("path", sorted(CASES.glob("*/workflow.yaml")), ids=lambda path: path.parent.name)
def test_every_golden_case_has_been_run_through_the_checks_of_a_machine(path: Path) -> None:
    assert start(path.read_text()).asl["QueryLanguage"] == "JSONata"
