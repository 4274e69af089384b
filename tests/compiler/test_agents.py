"""An agent's loop of states on the interpreter, with the agent and the tool Lambda played by scripts."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.executions.node_runs import NodeRun
from shared.executions.projector import project
from shared.executions.records import StatusChange
from shared.ports import TaskCall, TaskFailed
from shared.workflow.load import load_text
from shared.workflow.node_call import NodeCall
from statemachines.compiler import compile_workflow
from statemachines.interpreter import Interpreter, Machine
from tests.compiler.golden import CASES
from tests.interpreter.harness import EPOCH, LoopClock, MemoryJournal, StartRequest, in_virtual_time

EXECUTION = "01930000-0000-7000-8000-0000000000aa"


def calls(*tools: str) -> dict[str, Any]:
    """A turn that asks for these tools."""
    config = {"connection": None, "arguments": {"q": 1}}
    wanted = [
        {"id": f"id-{tool}", "kind": "tool", "approval": False, "config": {"tool": tool, **config}} for tool in tools
    ]
    return {"done": False, "output": None, "calls": wanted}


def answer(output: Any) -> dict[str, Any]:
    return {"done": True, "output": output, "calls": []}


@dataclass
class Lambdas:
    """Agent turns as scripted, by number; an error in their place is raised once. Tools answer with their name, unless
    they are scripted to fail. Every payload is checked against the contract of a node call."""

    turns: list[Any]
    failing: dict[str, TaskFailed] = field(default_factory=dict)
    together: asyncio.Barrier | None = None
    """Holds tools until so many run at once."""
    seen: list[NodeCall] = field(default_factory=list)

    async def run(self, call: TaskCall) -> Any:
        node_call = NodeCall.model_validate(call.arguments["Payload"])
        self.seen.append(node_call)
        if call.arguments["FunctionName"] == "${AgentFunctionArn}":
            assert node_call.type == "agent"
            return self.payload(self.turn(node_call), {"usage": {"input_tokens": 10}, "cost_usd": 0.5})
        assert (node_call.type, call.arguments["FunctionName"]) == ("tool", "${ToolFunctionArn}")
        if self.together:
            await self.together.wait()
        tool = node_call.config["tool"]
        if tool in self.failing:
            raise self.failing[tool]
        return self.payload(f"{tool} done", {})

    def turn(self, call: NodeCall) -> Any:
        assert call.turn is not None
        turn = self.turns[call.turn.number]
        if isinstance(turn, TaskFailed) and call.attempt == 0:
            raise turn
        return {"number": call.turn.number, **(answer("at last") if isinstance(turn, TaskFailed) else turn)}

    def payload(self, output: Any, meta: dict[str, Any]) -> Any:
        return {"Payload": {"output": output, "meta": meta}, "StatusCode": 200}

    def steps(self) -> list[str | None]:
        return [call.step for call in self.seen]


@dataclass
class Ran:
    change: StatusChange
    runs: dict[str, NodeRun]


def play(definition: str, lambdas: Lambdas, value: Any = None) -> Ran:
    compiled = compile_workflow(load_text(definition))
    journal = MemoryJournal()

    async def main() -> StatusChange:
        if lambdas.together is not None:
            lambdas.together = asyncio.Barrier(lambdas.together.parties)
        running = Interpreter(journal=journal, runner=lambdas, clock=LoopClock())
        request = StartRequest(EXECUTION, "p1", "w1", 1, value or {"q": "?"}, {}, EPOCH)
        return await running.run(Machine.load(compiled.asl), request, workflow_name="w")

    change = in_virtual_time(main)
    return Ran(change, {run.node: run for run in project(compiled.source_map, journal.of(EXECUTION))})


HELP = """
name: help
nodes:
  - {id: help, type: agent, config: {prompt: "{% $input.q %}", tools: [http.request, kv.get, kv.set]}, MORE}
output: "{% $help %}"
"""


def help_(more: str = "notes: none") -> str:
    return HELP.replace("MORE", more)


def test_turns_follow_one_another_until_the_answer() -> None:
    lambdas = Lambdas([calls("http.request"), calls("kv.get", "kv.set"), answer({"found": [1]})])
    ran = play(help_(), lambdas, {"q": "why?"})

    assert ran.change.result == {"found": [1]}
    assert lambdas.steps() == ["turn.0", "call.0.0", "turn.1", "call.1.0", "call.1.1", "turn.2"]
    assert [call.config["prompt"] for call in lambdas.seen if call.turn] == ["why?"] * 3
    assert [[result.output for result in call.turn.results] for call in lambdas.seen if call.turn] == [
        [],
        ["http.request done"],
        ["kv.get done", "kv.set done"],
    ]
    assert lambdas.seen[1].config == {"tool": "http.request", "connection": None, "arguments": {"q": 1}}
    assert len({call.idempotency_key for call in lambdas.seen}) == 6


def test_calls_of_one_turn_run_at_once() -> None:
    lambdas = Lambdas([calls("http.request", "kv.get", "kv.set"), answer("yes")], together=asyncio.Barrier(3))
    assert play(help_(), lambdas).change.result == "yes"


def test_a_call_that_fails_is_a_result_that_the_model_reads() -> None:
    failing = {"kv.get": TaskFailed("AddressBlocked", "it is private")}
    lambdas = Lambdas([calls("kv.get", "kv.set"), answer("sorry")], failing)
    assert play(help_(), lambdas).change.result == "sorry"
    turn = lambdas.seen[-1].turn
    assert turn is not None
    assert [result.model_dump(exclude_none=True) for result in turn.results] == [
        {"id": "id-kv.get", "error": {"name": "AddressBlocked", "cause": "it is private"}},
        {"id": "id-kv.set", "output": "kv.set done"},
    ]


def test_a_turn_that_fails_is_tried_again_and_no_other_one() -> None:
    lambdas = Lambdas([calls("kv.get"), TaskFailed("ModelUnavailable", "busy")])
    assert play(help_(), lambdas).change.result == "at last"
    assert lambdas.steps() == ["turn.0", "call.0.0", "turn.1", "turn.1"]
    assert [call.attempt for call in lambdas.seen] == [0, 0, 0, 1]


def test_a_turn_without_calls_and_without_an_answer_is_followed_by_another_one() -> None:
    again = {"done": False, "output": None, "calls": []}
    assert play(help_(), Lambdas([again, again, answer(None)])).change.result is None
    schema = "name: s\nnodes: [{id: s, type: agent, config: {prompt: x, output_schema: {type: object}}}]"
    lambdas = Lambdas([again, answer({"a": 1})])
    assert play(schema, lambdas).change.result == {"s": {"a": 1}}
    assert lambdas.steps() == ["turn.0", "turn.1"]


@pytest.mark.parametrize("more", ["on_error: fail", "on_error: continue"])
def test_a_turn_that_fails_for_good_is_the_nodes_failure(more: str) -> None:
    lambdas = Lambdas([calls("kv.get"), TaskFailed("ModelRefused", "no key")])
    ran = play(help_(more), lambdas)
    error = {"name": "ModelRefused", "cause": "no key"}
    assert (ran.change.result or ran.change.error) == ({"error": error} if "continue" in more else error)
    assert (ran.runs["help"].status, ran.runs["help"].error) == ("failed", error)


def test_one_node_run_tells_of_all_turns() -> None:
    ran = play(help_(), Lambdas([calls("http.request"), TaskFailed("ModelUnavailable", "busy")]), {"q": "why?"})
    run = ran.runs["help"]

    assert list(ran.runs) == ["help"]
    assert (run.status, run.attempts, run.output, run.error) == ("succeeded", 2, "at last", None)
    assert run.input["prompt"] == "why?"
    assert run.meta == {"usage": {"input_tokens": 20}, "cost_usd": 1.0, "turns": 2}
    assert run.completed_at is not None


def test_agents_in_a_loop_have_keys_of_their_own() -> None:
    lambdas = Lambdas([calls("http.request"), answer("ok")])
    definition = (CASES / "agent_in_loop" / "workflow.yaml").read_text()
    assert play(definition, lambdas, {"tickets": ["a", "b"]}).change.result == {"every": [{"triage": "ok"}] * 2}
    assert {(call.step, *call.iteration) for call in lambdas.seen} == {
        (step, index) for step in ("turn.0", "call.0.0", "turn.1") for index in (0, 1)
    }


def test_only_the_states_that_an_agent_can_need_are_there() -> None:
    roles = {
        "agent_text": [],
        "agent_output_schema": ["turn", "next", "done"],
        "agent_tools": ["turn", "next", "calls", "done", "call", "failed"],
        "agent_approval": [
            "approve",
            "approved",
            "call",
            "calls",
            "done",
            "failed",
            "next",
            "refused",
            "route",
            "turn",
        ],
        "agent_every_call_approved": [
            "approve",
            "approved",
            "call",
            "calls",
            "done",
            "failed",
            "next",
            "refused",
            "turn",
        ],
    }
    for name, expected in roles.items():
        golden = json.loads((CASES / name / "asl.json").read_text())["source_map"]["states"]
        helpers = [each["role"] for each in golden.values() if each["role"] not in ("main", "output")]
        assert sorted(helpers) == sorted(expected), name
