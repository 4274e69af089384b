"""Approvals, nested workflows and distributed loops on the strict machine, whose Tasks are played by scripts."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from shared.workflow.load import load_text
from shared.workflow.node_call import CacheRef, NodeCall
from statemachines.compiler import compile_workflow
from tests.compiler.golden import CASES
from tests.compiler.run import interpreted, judged
from tests.compiler.strict_machine import Machine, StateError

PARENT = {
    "id": "0198f0e0-1234-7abc-9def-000000000001",
    "project_id": "p1",
    "workflow_id": "w1",
    "workflow": "parent",
    "version": 4,
    "correlation_id": "corr-9",
    "trigger": {"type": "manual"},
}


def case(name: str) -> str:
    return (CASES / name / "workflow.yaml").read_text()


def run(definition: str, value: Any, task: Callable[[dict[str, Any]], Any], parent: dict[str, Any] = PARENT) -> Any:
    machine = Machine(compile_workflow(load_text(definition)).asl, task)
    return machine.run({"input": value, "execution": parent})


def decided(**more: Any) -> dict[str, Any]:
    return {"approved": True, "by": "ada", "at": "2026-11-24T10:00:00Z", "comment": None, "form": None, **more}


def test_an_approvals_output_is_the_decision() -> None:
    asked = []

    def person(arguments: dict[str, Any]) -> Any:
        asked.append(NodeCall.model_validate(arguments["Payload"]))
        return decided()

    machine = Machine(compile_workflow(load_text(case("approval"))).asl, person)
    machine.token = "t"
    assert machine.run({"input": {"total": 7, "manager": "bo"}, "execution": PARENT}) == {"go": "ada"}
    assert asked[0].config["title"] == "Order of 7"
    assert asked[0].config["approvers"] == ["ops", "bo"]
    assert (asked[0].type, asked[0].task_token) == ("approval", "t")


def escalation(answers: list[Any]) -> tuple[list[dict[str, Any]], Any]:
    calls: list[dict[str, Any]] = []

    def person(arguments: dict[str, Any]) -> Any:
        calls.append(arguments["Payload"])
        answer = answers[len(calls) - 1]
        if isinstance(answer, StateError):
            raise answer
        return answer

    machine = Machine(compile_workflow(load_text(case("approval_escalation"))).asl, person)
    machine.token = "t"
    return calls, machine.run({"input": {"boss": "cy"}, "execution": PARENT})


def test_who_does_not_answer_in_time_is_followed_by_others() -> None:
    late = StateError("States.Timeout")
    calls, result = escalation([late, decided(by="cy"), decided(approved=False)])
    assert result == {"by": "cy", "second": False}
    assert [(call["node"], call.get("step"), call["config"]["approvers"]) for call in calls] == [
        ("sign", None, ["team"]),
        ("sign", "escalated", ["cy"]),
        ("second", None, []),
    ]
    keys = {NodeCall.model_validate(call).idempotency_key for call in calls}
    assert len(keys) == 3


def test_another_failure_than_a_time_out_does_not_escalate() -> None:
    calls, _ = escalation([StateError("NodeBug", "x"), decided()])
    assert [call["node"] for call in calls] == ["sign", "second"]


def test_a_nested_workflow_is_started_under_an_id_that_is_the_same_each_time() -> None:
    seen = []

    def start(arguments: dict[str, Any]) -> Any:
        seen.append(arguments)
        return {"Output": {"enriched": arguments["Input"]["input"]}, "Status": "SUCCEEDED"}

    assert run(case("workflow_wait"), {"id": 5}, start) == {"enriched": {"id": 5}}
    run(case("workflow_wait"), {"id": 6}, start)
    child = uuid.UUID(seen[0]["Name"])
    assert (child.version, child.variant) == (7, uuid.RFC_4122)
    assert str(child)[:13] == PARENT["id"][:13]  # the same millisecond
    assert seen[0]["Name"] == seen[1]["Name"] != PARENT["id"]
    assert seen[0]["StateMachineArn"] == "${StateMachineArn:enrich}"
    assert seen[0]["Input"]["execution"] == {
        "id": seen[0]["Name"],
        "project_id": "p1",
        "workflow_id": "${WorkflowId:enrich}",
        "workflow": "enrich",
        "version": "${WorkflowVersion:enrich}",
        "correlation_id": "corr-9",
        "trigger": {"type": "workflow", "parent": {"execution_id": PARENT["id"], "node": "child"}},
    }
    run(case("workflow_wait"), {"id": 5}, start, {**PARENT, "id": PARENT["id"][:-1] + "2"})
    assert seen[2]["Name"] != seen[0]["Name"]


def test_a_nested_workflow_that_is_not_waited_for_gives_its_id() -> None:
    names = []

    def start(arguments: dict[str, Any]) -> Any:
        names.append(arguments["Name"])
        return {"ExecutionArn": "arn", "StartDate": 1}

    assert run(case("workflow_no_wait"), ["a", "b", "c"], start) == {"every": names}
    assert len(set(names)) == 3


def price(arguments: dict[str, Any]) -> Any:
    body = arguments["Payload"]["config"]["body"]
    if body["row"] == "bad":
        raise StateError("DestinationRefused", "no")
    call = NodeCall.model_validate(arguments["Payload"])
    return {"Payload": {"output": {"body": [body, call.idempotency_key]}, "meta": {}}}


def distributed(mode: str) -> str:
    """The golden case as it is, and the same loop inline."""
    text = case("distributed_for_each").replace("max_concurrency: 200", f"mode: {mode}")
    return text.replace("max_items: 50000", "max_items: 100")


@pytest.mark.parametrize("vip", [True, False])
def test_a_distributed_loop_does_what_the_same_loop_does_inline(vip: bool) -> None:
    value = {"vip": vip, "rows": [1, "bad", [3]], "customer": "c"}
    apart, inline = (run(distributed(mode), value, price) for mode in ("distributed", "inline"))
    assert apart == inline
    assert apart["rows"][1] == {"error": {"name": "DestinationRefused", "cause": "no"}}
    body = {"row": [3], "rate": 2, "perk": "gold" if vip else "none"}
    key = f"{PARENT['id']}-price-2"
    assert apart["rows"][2] == {"at": 2, "price": [body, key], "for": "c", "run": PARENT["id"]}


def test_distributed_loops_in_one_another_hand_on_what_they_were_handed() -> None:
    value = {"unit": "kg", "who": "ada", "sheets": [[{"cells": [1, 2]}], [{"cells": [3]}, {"cells": [4]}]]}

    def work(arguments: dict[str, Any]) -> Any:
        payload = arguments["Payload"]
        assert payload["execution"] == PARENT
        body = payload["config"]["body"]
        assert (body["unit"], body["who"]) == ("kg", "ada")
        return {"Payload": {"output": [body["value"], body["of"], *payload["iteration"]], "meta": {}}}

    assert run(case("distributed_nested"), value, work) == [
        [[[1, 2, 0, 0, 0], [2, 2, 0, 0, 1]]],
        [[[3, 1, 1, 0, 0]], [[4, 1, 1, 1, 0]]],
    ]


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        ("max_items: 100", "INLINE"),
        ("max_items: 5000", "DISTRIBUTED"),
        ("max_concurrency: 40", "INLINE"),
        ("max_concurrency: 41", "DISTRIBUTED"),
        ("max_concurrency: 41, mode: inline", "INLINE"),
        ("mode: distributed", "DISTRIBUTED"),
    ],
)
def test_which_loops_run_their_items_apart(config: str, mode: str) -> None:
    body = "{nodes: [{id: a, type: webhook, config: {url: 'https://x/'}}]}"
    node = f"{{id: l, type: loop, config: {{kind: for_each, items: '{{% $input %}}', {config}, body: {body}}}}}"
    asl = compile_workflow(load_text(f"name: l\nnodes: [{node}]")).asl
    assert asl["States"]["l"]["ItemProcessor"]["ProcessorConfig"]["Mode"] == mode


@pytest.mark.parametrize("result", [judged, interpreted])
@pytest.mark.parametrize("items", [[], [1], [1, 2, 3]])
def test_a_list_within_its_bound_is_as_it_was(result: Callable[..., Any], items: list[int]) -> None:
    assert result(case("for_each_bounded"), items) == [item * 2 for item in items]


@pytest.mark.parametrize("result", [judged, interpreted])
def test_a_list_above_its_bound_fails_the_node(result: Callable[..., Any]) -> None:
    with pytest.raises(StateError) as caught:
        result(case("for_each_bounded"), [1, 2, 3, 4])
    assert caught.value.error == "States.QueryEvaluationError"
    assert "takes at most 3 items, not 4" in str(caught.value.cause)


@pytest.mark.parametrize("result", [judged, interpreted])
def test_the_cache_key_is_text(result: Callable[..., Any]) -> None:
    seen: dict[str, Any] = {}

    def work(payload: dict[str, Any]) -> Any:
        seen[payload["node"]] = CacheRef.model_validate(payload["cache"])
        return {"body": "a,b"} if payload["node"] == "rate" else 7

    result(case("cache"), {"q": "why"}, work)
    keys = {node: (cache.key, cache.ttl_seconds) for node, cache in seen.items()}
    assert keys == {"ask": ("why", 60), "rate": ("rates", 3600), "read": ("a,b", 3600), "judge": ("[7,7]", 3600)}


@pytest.mark.parametrize("result", [judged, interpreted])
def test_blocks_that_fail_go_on_as_their_authors_say(result: Callable[..., Any]) -> None:
    def work(payload: dict[str, Any]) -> Any:
        if payload["node"] in ("b", "d") or payload["config"]["body"] == "bad":
            raise StateError("DestinationRefused", "no")
        return payload["config"]["body"]

    good = {"many": [1], "rounds": "DestinationRefused", "both": "DestinationRefused"}
    assert result(case("blocks_that_fail"), {"items": [1]}, work) == good
    assert result(case("blocks_that_fail"), {"items": [1, "bad"]}, work) == {"many": "DestinationRefused"}
