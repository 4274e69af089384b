"""Agents: turns, calls and tokens, bounded by what the definition says."""

from typing import Any

import pytest

from shared.ports import TaskCall, TaskFailed
from tests.plan.runs import Counting, between, compiled, entered, planner, record

USAGE = {"usage": {"requests": 1, "input_tokens": 100, "output_tokens": 20}, "cost_usd": 0.25}


def asking(**config: Any) -> dict[str, Any]:
    config = {"prompt": "{% $input %}", "tools": ["csv.parse"], "max_turns": 3, **config}
    node = {"id": "help", "type": "agent", "config": config, "retry": {"max_attempts": 1}}
    return {"name": "asking", "nodes": [node], "output": "{% $help %}"}


class Model:
    """Wants two calls in every turn but the last."""

    def __init__(self, turns: int, *, failing: bool) -> None:
        self.turns = turns
        self.failing = failing

    async def run(self, call: TaskCall) -> Any:
        payload = call.arguments["Payload"]
        if payload["type"] == "tool" and self.failing:
            raise TaskFailed("NodeBug")
        if payload["type"] == "tool":
            return {"Payload": {"output": "x", "meta": {}}, "StatusCode": 200}
        number = payload["turn"]["number"]
        done = number == self.turns - 1
        config = {"tool": "csv.parse", "connection": None, "arguments": {}}
        calls = [{"id": str(each), "kind": "tool", "approval": False, "config": config} for each in range(2)]
        output = {"number": number, "done": done, "output": "42" if done else None, "calls": [] if done else calls}
        return {"Payload": {"output": output, "meta": USAGE}, "StatusCode": 200}

    async def stop(self, call: TaskCall) -> None:
        """Nothing is handed over."""


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("failing", [True, False])
def test_turns_and_calls_lie_between_best_and_worst_and_reach_both(turns: int, failing: bool):
    """A call that fails takes one state more: what the model then reads of it."""
    workflow = compiled(asking())
    runner = Counting(Model(turns, failing=failing))
    recorded = record(workflow, "how many?", runner)
    planned = planner(workflow, assumed_items=2)
    found, plan = planned.of_run(recorded.history), planned.plan()

    assert recorded.change.result == "42"
    assert found.lambda_calls == dict(runner.calls)
    assert found.transitions == entered(recorded) + 1
    assert between(plan.best, found, plan.worst) == []
    assert (found.transitions == plan.best.transitions) == (turns == 1)
    assert (found.transitions == plan.worst.transitions) == (turns == 3 and failing)
    assert (found.tokens, found.dollars.models) == (120 * turns, 0.25 * turns)


def test_how_many_calls_a_turn_makes_has_no_bound():
    plan = planner(compiled(asking())).plan()

    assert plan.unbounded == ["help.calls"]
    assert plan.worst.lambda_calls == {"agent": 3, "tool": None}
    assert plan.worst.transitions is None
    assert plan.best.lambda_calls == {"agent": 1}


@pytest.mark.parametrize(
    ("config", "tokens", "dollars"),
    [
        ({}, None, None),
        ({"budget": {"tokens": 1_000}}, 1_000, None),
        ({"budget": {"dollars": 0.5}}, None, 0.5),
        ({"budget": {"tokens": 1_000}, "model": "openai:gpt-4o"}, 1_000, 0.01),
        ({"budget": {"tokens": 1_000_000, "dollars": 0.5}, "model": "openai:gpt-4o"}, 1_000_000, 0.5),
        ({"budget": {"tokens": 1_000}, "model": "openai:gpt-4o", "fallback_models": ["openai:none"]}, 1_000, None),
    ],
)
def test_a_budget_bounds_tokens_and_dollars(config: dict[str, Any], tokens: int | None, dollars: float | None):
    """A token of gpt-4o costs at most 10 dollars a million, when it is written."""
    worst = planner(compiled(asking(tools=[], output_schema={"type": "object"}, **config))).plan().worst

    assert worst.tokens == tokens
    assert worst.dollars.models == (None if dollars is None else pytest.approx(dollars))


def test_every_run_of_an_agent_has_a_budget_of_its_own():
    body = {"nodes": asking(budget={"tokens": 500})["nodes"]}
    loop = {"kind": "for_each", "items": "{% $input %}", "max_items": 4, "body": body}
    workflow = compiled({"name": "every", "nodes": [{"id": "every", "type": "loop", "config": loop}]})

    assert planner(workflow).plan().worst.tokens == 2_000
