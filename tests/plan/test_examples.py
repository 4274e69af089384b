"""The plan's numbers are those of real runs: every example, on the interpreter."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.ports import TaskFailed
from statemachines.compiler import CompiledWorkflow
from statemachines.plan import children_of
from statemachines.plan.amounts import SECONDS, Amounts
from statemachines.plan.prices import price_list
from tests.plan.runs import EXAMPLES, Counting, Scripted, between, compiled, entered, planner, record

ISSUE = {"body": json.loads((EXAMPLES.parent / "events" / "github-issues-opened.json").read_text())}
ORDER: dict[str, Any] = {"body": {"order": 7, "items": [{"price": 12.5, "quantity": 2}], "priority": 9}}
FREE: dict[str, Any] = {"body": {**ORDER["body"], "items": [{"price": 0, "quantity": 1}]}}
SENT = {"status": 200, "headers": {}, "body": {"body": {"order": 7, "total": 25}}}


def triage(urgency: int, *before: Any) -> list[Any]:
    """The turns of the example's agent: those before its answer, and the answer."""
    answer = {"category": "bug", "urgency": urgency, "labels": [], "summary": "s", "reason": "r"}
    asked = [{"number": number, "done": False, "output": None, "calls": []} for number in range(len(before))]
    return [*asked, {"number": len(before), "done": True, "output": answer, "calls": []}]


RUNS: dict[str, tuple[str, Any, Callable[[], dict[str, Any]], int, dict[str, int]]] = {
    "hello, early": ("hello", {"name": "Ada", "hour": 9}, dict, 3, {}),
    "hello, late": ("hello", {"name": "Ada", "hour": 15}, dict, 3, {}),
    "w5, to be paid": ("w5", ORDER, lambda: {"quote": SENT}, 4, {"http": 1}),
    "w5, free": ("w5", FREE, dict, 3, {}),
    "w5, at the third attempt": (
        "w5",
        ORDER,
        lambda: {"quote": [TaskFailed("DestinationTimeout"), TaskFailed("DestinationTimeout"), SENT]},
        6,
        {"http": 3},
    ),
    "triage, urgent": (
        "github-issue-triage",
        ISSUE,
        lambda: {"triage": triage(9), "page": SENT, "publish": SENT},
        11,
        {"agent": 1, "http": 2},
    ),
    "triage, routine": (
        "github-issue-triage",
        ISSUE,
        lambda: {"triage": triage(2), "publish": SENT},
        8,
        {"agent": 1, "http": 1},
    ),
    "triage, at the second turn": (
        "github-issue-triage",
        ISSUE,
        lambda: {"triage": triage(2, "no schema"), "publish": SENT},
        10,
        {"agent": 2, "http": 1},
    ),
}
"""By name: example, input, answers by node, billed transitions with the start, calls by function."""


def example(name: str, **settings: Any) -> CompiledWorkflow:
    return compiled((EXAMPLES / name / "workflow.yaml").read_text(), **settings)


def test_every_example_is_run():
    assert {run[0] for run in RUNS.values()} == {path.parent.name for path in EXAMPLES.glob("*/workflow.yaml")}


@pytest.mark.parametrize("name", RUNS)
def test_the_plan_of_an_example_is_what_is_counted(name: str):
    folder, value, answers, transitions, calls = RUNS[name]
    planned = planner(example(folder))
    runner = Counting(Scripted(**answers()))
    recorded = record(example(folder), value, runner)
    found, plan = planned.of_run(recorded.history), planned.plan()

    assert recorded.succeeded
    assert found.transitions == entered(recorded) + runner.retries + 1 == transitions
    assert found.lambda_calls == dict(runner.calls) == calls
    assert found.events == len(recorded.history)
    assert between(plan.best, found, plan.worst) == []


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("mode", ["durable", "express"])
def test_the_plan_of_a_straight_line_is_exact(optimize: bool, mode: str):
    """One way and no retries: best, worst and every run are the same."""
    line = {
        "name": "line",
        "settings": {"mode": mode},
        "nodes": [
            {"id": "a", "type": "transform", "config": {"output": "{% $input.n + 1 %}"}},
            {"id": "b", "type": "webhook", "config": {"url": "https://x/", "body": "{% $a %}"}},
            {"id": "c", "type": "delay", "config": {"seconds": 30}},
            {"id": "d", "type": "tool", "config": {"tool": "t"}},
            {"id": "e", "type": "transform", "config": {"output": "{% $d & $b.body %}"}},
        ],
        "edges": [{"from": x, "to": y} for x, y in ("ab", "bc", "cd", "de")],
        "output": "{% $e %}",
    }
    for node in line["nodes"]:
        if node["type"] in ("webhook", "tool"):
            node["retry"] = {"max_attempts": 1}
    workflow = compiled(line, optimize=optimize)
    planned, runner = planner(workflow), Counting(Scripted(b={"body": "b"}, d="d"))
    recorded = record(workflow, {"n": 1}, runner, mode)
    found, plan = planned.of_run(recorded.history), planned.plan()

    assert recorded.change.result == "db"
    assert plan.best == plan.worst == plan.worst_without_retries
    assert (found.transitions, found.lambda_calls, found.events) == (
        plan.best.transitions,
        plan.best.lambda_calls,
        plan.best.events,
    )
    assert found.transitions == entered(recorded) + 1
    assert plan.best.seconds == 31


def test_w5_is_billed_three_transitions_beyond_the_start_and_one_call():
    """At one node a state it would be six."""
    plan = planner(example("w5")).plan()
    assert plan.worst_without_retries.transitions == 1 + 3
    assert plan.worst_without_retries.lambda_calls == {"http": 1}
    assert planner(example("w5", optimize=False)).plan().worst_without_retries.transitions == 1 + 6


def test_every_bound_of_a_loop_can_be_reached():
    """The worst case is no more than what a run takes that reaches all bounds."""
    definition = """
name: bounds
nodes:
  - id: rows
    type: loop
    config:
      kind: for_each
      items: "{% $input %}"
      max_items: 3
      max_concurrency: 1
      body:
        nodes:
          - id: poll
            type: loop
            config:
              kind: while
              condition: "{% $index < 4 %}"
              max_iterations: 4
              body: {nodes: [{id: ask, type: webhook, config: {url: "https://x/"}, retry: {max_attempts: 2}}]}
"""
    workflow = compiled(definition)
    answers = [TaskFailed("DestinationTimeout"), {"status": 200}] * 12
    runner = Counting(Scripted(ask=answers))
    recorded = record(workflow, [1, 2, 3], runner)
    planned = planner(workflow)
    found, plan = planned.of_run(recorded.history), planned.plan()

    assert recorded.succeeded
    assert plan.unbounded == []
    assert runner.calls == {"http": 24}
    assert found.lambda_calls == plan.worst.lambda_calls
    assert found.transitions == plan.worst.transitions


def test_a_distributed_loop_is_billed_for_every_item():
    definition = """
name: many
nodes:
  - id: rows
    type: loop
    config:
      kind: for_each
      mode: distributed
      items: "{% $input %}"
      max_items: 5
      body: {nodes: [{id: ask, type: webhook, config: {url: "https://x/"}, retry: {max_attempts: 1}}]}
"""
    workflow = compiled(definition)
    planned, runner = planner(workflow), Counting(Scripted(ask=1))
    recorded = record(workflow, [1, 2, 3, 4, 5], runner)
    found, plan = planned.of_run(recorded.history, recorded.children), planned.plan()

    assert recorded.succeeded
    assert list(children_of(recorded.history)) == list(recorded.items)
    assert found.transitions == entered(recorded) + 1 + 5 == plan.worst.transitions
    assert found.lambda_calls == {"http": 5} == plan.worst.lambda_calls
    assert plan.worst.events >= len(recorded.history) == plan.best.events
    assert plan.child_events["rows"] >= max(map(len, recorded.children))


@pytest.mark.parametrize(
    ("seconds", "billed"), [(0.0, 0.0), (0.01, 0.1), (0.1 + 0.2, 0.3), (0.31, 0.4), (299.95, 300.0)]
)
def test_an_express_execution_pays_for_its_start_and_each_tenth_of_a_second_of_64_mb(seconds: float, billed: float):
    prices = price_list()

    found = prices.step_functions(Amounts({SECONDS: seconds}), "express")

    assert prices.assumptions.express_memory_mb == 64
    assert found == pytest.approx(0.000001 + billed * 64 / 1024 * 0.00001667, rel=1e-12)
