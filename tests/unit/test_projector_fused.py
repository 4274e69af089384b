"""Node runs of nodes that share a state, from histories in AWS's shape."""

from typing import Any

from shared.executions.logs import log_lines
from shared.executions.node_runs import NodeRun
from shared.executions.projector import project
from tests.support.history import History, source_map

CAUSE = "The JSONata expression '…' threw an error during evaluation."


def fused(*nodes: str, **about: Any) -> dict[str, Any]:
    """`call` and `after` have states; `nodes` are in that of `call`, of which `about` says more."""
    found = source_map("call", "after", fused={"call": list(nodes)})
    found["states"]["call"] |= about
    return found


def called() -> History:
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call", {"body": {"n": 1}})
    history.succeeded({"status": 200})
    return history


def failed(history: History, location: str) -> History:
    history.add("EvaluationFailed", error="States.QueryEvaluationError", cause=CAUSE, location=location, state="call")
    history.add("ExecutionFailed", error="States.QueryEvaluationError", cause=CAUSE)
    return history


def statuses(runs: list[NodeRun]) -> dict[str, str]:
    return {run.node: run.status.value for run in runs}


def test_the_field_that_fails_says_which_node_it_is():
    fields = {"Assign/shape": ["shape"], "Assign/tidy": ["tidy"], "Assign/last": ["last"]}
    runs = project(fused("shape", "tidy", "last", fields=fields), failed(called(), "Assign/tidy/members[0]").events)
    expected = {"call": "succeeded", "shape": "succeeded", "tidy": "failed", "last": "skipped", "after": "skipped"}
    assert statuses(runs) == expected
    by_node = {run.node: run for run in runs}
    assert by_node["call"].output == {"status": 200}
    assert by_node["shape"].output_text is None
    assert by_node["tidy"].error == {"name": "States.QueryEvaluationError", "cause": CAUSE}
    assert by_node["call"].error is None


def test_another_field_is_the_states_own():
    runs = project(fused("shape", fields={"Assign/shape": ["shape"]}), failed(called(), "Assign/shapeless").events)
    assert statuses(runs) == {"call": "failed", "shape": "skipped", "after": "skipped"}


def test_nodes_that_share_an_expression_are_all_named():
    runs = project(
        fused("a", "b", fields={"Assign/call_fused": ["a", "b"]}), failed(called(), "Assign/call_fused").events
    )
    assert statuses(runs) == {"call": "succeeded", "a": "failed", "b": "failed", "after": "skipped"}
    assert [run.error["nodes"] for run in runs if run.error] == [["a", "b"], ["a", "b"]]


def test_a_node_in_front_of_the_states_own_keeps_that_from_being_reached():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Choice", "call")
    source = fused("first", leading=["first"], fields={"Choices[0]/Condition": ["first"]})
    runs = project(source, failed(history, "Choices[0]/Condition").events)
    assert statuses(runs) == {"call": "skipped", "first": "failed", "after": "skipped"}


def test_the_states_own_failure_leaves_what_is_in_front_of_it_succeeded():
    history = History()
    history.add("ExecutionStarted")
    history.entered("Choice", "call")
    source = fused("first", leading=["first"], fields={"Choices[0]/Condition": ["first"]})
    runs = project(source, failed(history, "Choices[1]/Condition").events)
    assert statuses(runs) == {"call": "failed", "first": "succeeded", "after": "skipped"}


def test_nobody_is_blamed_for_a_helper():
    runs = project(fused(fields={"Output": []}), failed(called(), "Output/x").events)
    assert statuses(runs) == {"call": "succeeded", "after": "skipped"}


def test_what_a_task_sends_is_an_output_as_soon_as_it_is_sent():
    source = fused("request", leading=["request"], shown={"request": ["parameters", "Payload", "config", "body"]})
    history = History()
    history.add("ExecutionStarted")
    history.entered("Task", "call")
    history.scheduled("call", {"body": {"n": 1}})
    history.failed("DestinationTimeout", "slow")
    history.scheduled("call", {"body": {"n": 1}})
    runs = project(source, history.events)
    assert [(run.node, run.status.value, run.output) for run in runs] == [
        ("call", "running", None),
        ("request", "succeeded", {"n": 1}),
        ("after", "pending", None),
    ]
    assert runs[1].completed_at == history.events[2].timestamp


def test_outputs_stand_in_members_and_in_the_states_output():
    source = fused("a", "b", "c", shown={"c": ["output", "list", 1]})
    source["nodes"]["a"]["variable"] = "call_fused.a"
    source["nodes"]["b"]["variable"] = "call_fused.b"
    history = called()
    history.exited("Task", "call", {"list": [0, "c"]}, call=1, call_fused={"a": [1]})
    runs = project(source, history.events)
    assert {run.node: (run.status.value, run.output) for run in runs} == {
        "call": ("succeeded", 1),
        "a": ("succeeded", [1]),
        "c": ("succeeded", "c"),
        "b": ("pending", None),
        "after": ("pending", None),
    }


def test_markers_are_no_outputs():
    history = called()
    history.exited("Task", "call", {}, call=1, shape="millrace:skipped", tidy="millrace:too_large")
    runs = project(fused("shape", "tidy"), history.events)
    assert {run.node: (run.status.value, run.output) for run in runs} == {
        "call": ("succeeded", 1),
        "tidy": ("succeeded", None),
        "shape": ("pending", None),
        "after": ("pending", None),
    }


def test_logs_tell_of_the_node_that_failed():
    source = fused("shape", fields={"Assign/shape": ["shape"]})
    lines = [line.message for line in log_lines(source, failed(called(), "Assign/shape").events)]
    assert "call: succeeded in 30 ms" in lines
    assert f"shape: failed: States.QueryEvaluationError: {CAUSE}" in lines
