"""What fusing saves, and what it must not change."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.executions.node_runs import NodeRun
from shared.executions.projector import project
from shared.workflow.load import load_text
from statemachines.compiler.fusing.plain import infallible, plain, without_brackets
from tests.compiler.golden import CASES
from tests.compiler.run import Lambda, Worker, compiled, echo, fails, interpreted, played

W5 = Path(__file__).parents[2] / "examples" / "w5" / "workflow.yaml"
ORDER: dict[str, dict[str, Any]] = {"body": {"order": 7, "items": [{"price": 12.5, "quantity": 2}], "priority": 9}}


def chain(length: int, output: Any = None) -> dict[str, Any]:
    """Transforms one after another, each of which adds one to what the one before it gave."""
    templates = ["{% $input.n %}", *(f"{{% $t{i - 1}.n + 1 %}}" for i in range(1, length))]
    nodes = [{"id": f"t{i}", "type": "transform", "config": {"output": {"n": n}}} for i, n in enumerate(templates)]
    edges = [{"from": f"t{i}", "to": f"t{i + 1}"} for i in range(length - 1)]
    return {"name": "chain", "nodes": nodes, "edges": edges, "output": output}


def entered(definition: Any, value: Any, work: Lambda = echo, *, optimize: bool = True) -> list[str]:
    """The states that a run enters."""
    _, events = played(compiled(definition, optimize=optimize), value, Worker(work))
    return [event.details["name"] for event in events if event.type.endswith("StateEntered")]


def runs(definition: Any, value: Any = None, work: Lambda = echo) -> dict[str, NodeRun]:
    workflow = compiled(definition)
    _, events = played(workflow, value, Worker(work))
    return {run.node: run for run in project(workflow.source_map, events)}


def case(name: str) -> str:
    return (CASES / name / "workflow.yaml").read_text()


def test_w5_pays_for_the_condition_the_call_and_the_end() -> None:
    calls = []

    def work(payload: dict[str, Any]) -> Any:
        calls.append(payload["config"]["body"])
        return {"status": 200, "body": {"body": calls[-1]}}

    definition = load_text(W5.read_text())
    assert entered(definition, ORDER, work) == ["route", "quote", "execution.output"]
    assert calls == [{"order": 7, "priority": 9, "total": 25}]
    assert len(entered(definition, ORDER, work, optimize=False)) == 6
    expected = {"order": 7, "rush": True, "totals": [25, 25], "agreed": True}
    assert interpreted(definition, ORDER, work) == expected
    found = runs(definition, ORDER, work)
    assert {run.status for run in found.values()} == {"succeeded"}
    assert found["summary"].output == expected
    assert found["quoted"].output == {"order": 7, "total": 25}


def test_w5_without_anything_to_pay_enters_two_states() -> None:
    free = {"body": {**ORDER["body"], "items": [{"price": 0, "quantity": 1}]}}
    assert entered(load_text(W5.read_text()), free) == ["route", "execution.output"]


@pytest.mark.parametrize("length", [2, 10, 1000])
@pytest.mark.parametrize("everything", [True, False])
def test_transforms_in_a_row_are_one_state_and_one_text(length: int, everything: bool) -> None:
    output = [f"{{% $t{i}.n %}}" for i in range(length)] if everything else f"{{% $t{length - 1}.n * 2 %}}"
    definition = chain(length, output)
    fused, plain_ = (compiled(definition, optimize=optimize) for optimize in (True, False))
    assert list(fused.asl["States"]) == ["t0", "execution.output"]
    assert len(json.dumps(fused.asl)) < len(json.dumps(plain_.asl)) + 6_000
    change, events = played(fused, {"n": 0}, Worker(echo))
    assert change.result == (list(range(length)) if everything else 2 * (length - 1))
    found = {run.node: (run.status, run.output) for run in project(fused.source_map, events)}
    assert found == {f"t{i}": ("succeeded", {"n": i}) for i in range(length)}


def test_a_large_output_that_nobody_reads_is_left_out_and_does_not_fail_the_run() -> None:
    definition = chain(3, "{% $t2.n %}")
    definition["nodes"][1]["config"]["output"] = {"n": "{% $t0.n + 1 %}", "text": "{% $input.text %}"}
    found = runs(definition, {"n": 1, "text": "x" * 20_000})
    assert (found["t1"].status, found["t1"].output) == ("succeeded", None)
    assert found["t2"].output == {"n": 3}


def test_what_differs_each_time_is_evaluated_once() -> None:
    stored = []

    def work(payload: dict[str, Any]) -> Any:
        stored.append(payload["config"])
        return {"status": 200}

    found = runs(case("fuse_one_expression"), None, work)
    key = stored[1]["body"]["key"]
    assert stored[1]["url"] == f"https://example.com/{key}.json" == found["link"].output
    assert found["names"].output == {"file": f"{key}.json", "of": [200, 1]}
    assert found["key"].output == key


@pytest.mark.parametrize("failing", [f"t{i}" for i in range(3)])
def test_the_node_that_fails_is_the_one_that_is_shown(failing: str) -> None:
    definition = chain(3, "{% $t2.n * 2 %}")
    for node in definition["nodes"]:
        if node["id"] == failing:
            node["config"]["output"] = {"n": "{% $uppercase(5) %}"}
    statuses = {name: run.status.value for name, run in runs(definition, {"n": 0}).items()}
    order = ["t0", "t1", "t2"]
    at = order.index(failing)
    assert [statuses[name] for name in order] == ["succeeded"] * at + ["failed"] + ["skipped"] * (2 - at)


def test_nodes_that_share_an_expression_share_its_failure() -> None:
    definition = chain(60, "{% $t59.n * 2 %}")
    definition["nodes"][30]["config"]["output"] = {"n": "{% $uppercase(5) %}"}
    found = runs(definition, {"n": 0})
    error = found["t30"].error
    assert error is not None
    assert "t30" in error["nodes"]
    assert all(found[node].status == "failed" for node in error["nodes"])


def test_the_call_succeeded_although_the_transform_in_its_state_fails() -> None:
    found = runs(case("sequence"), {"value": 1}, lambda _: {"status": 200})
    assert (found["second"].status, found["second"].output) == ("succeeded", {"status": 200})
    assert found["third"].status == "failed"
    assert found["third"].error is not None
    assert "$second.body" in found["third"].error["cause"]


def test_what_is_computed_before_a_condition_fails_as_itself() -> None:
    found = runs(case("fuse_condition"), {"prices": ["no number"]})
    statuses = {name: run.status.value for name, run in found.items()}
    assert statuses == {"price": "failed", "route": "skipped", "charge": "skipped", "note": "skipped"}


def test_a_condition_that_fails_leaves_what_was_computed_before_it_succeeded() -> None:
    definition = load_text(case("fuse_condition"))
    definition["nodes"][1]["config"]["cases"][0]["when"] = "{% $uppercase($price.total) %}"
    found = runs(definition, {"prices": [1]})
    assert [found[name].status.value for name in ("price", "route", "charge")] == ["succeeded", "failed", "skipped"]


def test_what_a_task_sends_is_shown_even_if_the_task_fails() -> None:
    found = runs(case("fuse_arguments"), {"name": "a", "tag": "b"}, fails("send"))
    assert found["request"].output == {"name": "a", "tags": ["b", "fixed"]}
    assert (found["request"].status, found["send"].status) == ("succeeded", "failed")


def test_a_transforms_failure_is_neither_caught_nor_tried_again() -> None:
    definition = load_text(case("fuse_refused"))
    asl = compiled(definition).asl["States"]
    assert {"after_soft", "after_stubborn", "forgiven"} <= asl.keys()
    calls = []

    def work(payload: dict[str, Any]) -> Any:
        calls.append(payload["node"])
        return {"status": 200} if payload["node"] == "soft" else {}

    found = runs(definition, {"value": 1}, work)
    assert calls == ["soft", "stubborn"]
    assert [found[name].status.value for name in ("soft", "after_soft", "stubborn", "after_stubborn")] == [
        "succeeded",
        "succeeded",
        "succeeded",
        "failed",
    ]


def test_an_iteration_of_one_call_is_one_state() -> None:
    definition = """
name: each
nodes:
  - id: all
    type: loop
    config:
      kind: for_each
      items: "{% $input %}"
      body:
        nodes: [{id: send, type: webhook, config: {url: "https://example.com/", body: "{% $item %}"}}]
        output: "{% $send.got %}"
output: "{% $all %}"
"""
    states = entered(definition, [1, 2], lambda payload: {"got": payload["config"]["body"]})
    assert states == ["all", "send", "send", "execution.output"]


def test_a_round_of_a_while_loop_saves_its_counting() -> None:
    states = compiled(case("while")).asl["States"]["poll"]["Branches"][0]["States"]
    assert "poll.next" not in states
    assert states["pause"]["Assign"]["poll_index"] == "{% $poll_index + 1 %}"


def test_optimize_off_keeps_one_state_per_node() -> None:
    workflow = compiled(case("fuse_off"), optimize=False)
    assert list(workflow.asl["States"]) == ["before", "fetch", "after", "execution.output"]
    assert all(state["fused"] == [] for state in workflow.source_map["states"].values())


@pytest.mark.parametrize(
    "source",
    [
        "$p.rows.[a, b]",
        "$map($p, function($x) { $x.b })",
        "$filter($p, $boolean)",
        "$p ~> $count",
        "$p{$string(a): b}",
        "$p ~> | $ | {'a': 1} |",
        "$p@$x.b",
        "$p#$i.b",
        "$p.%.b",
        "$substring(?, 0, 2)",
        "[$p, 1].b",
        "$match($p, /a(b)/)",
        "($f := $sum; $f($p))",
        "[1, 2",
    ],
)
def test_text_that_may_hold_arrays_of_another_kind_is_not_bound(source: str) -> None:
    assert plain(source) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("$p.a.b[c = 1].d", "$p.a.b[c = 1].d"),
        ("{'a': $p.b, 'c': 1}", "{'a': $_p($p.b), 'c': 1}"),
        ("{'a': $p ? $p.b : 'x', 'c': {'d': b[]}}", "{'a': $_p($p ? $p.b : 'x'), 'c': $_p({'d': $_p(b[])})}"),
        ("$p.{'a': b /* { */}", "$p.{'a': $_p(b /* { */)}"),
        ("a / 2 * `b c`[-1] & '}'", "a / 2 * `b c`[-1] & '}'"),
        ("{}", "{}"),
    ],
)
def test_arrays_are_made_ordinary_where_an_object_takes_them(source: str, expected: str) -> None:
    found = plain(source)
    assert found is not None
    assert found.text == expected


def test_brackets_are_taken_off_only_around_the_whole() -> None:
    assert without_brackets("( $a := 1; $a )") == "$a := 1; $a"
    assert without_brackets("($a) + ($b)") == "($a) + ($b)"
    assert without_brackets("( /\\(/ )") == "( /\\(/ )"


def test_only_objects_of_what_is_there_surely_give_something() -> None:
    assert infallible('{"a": $a, "b": ($b_if_run != \'millrace:skipped\' ? $b_if_run)}')
    assert not infallible("{'a': $a + 1}")
    assert not infallible("$a.b")
