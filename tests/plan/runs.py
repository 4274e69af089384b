"""Runs of workflows on the interpreter, and what is counted in their histories, by means of the tests' own."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.executions.records import ExecutionStatus, HistoryEvent, StartRequest, StatusChange
from shared.ports import TaskCall, TaskRunner
from shared.workflow.load import load_text
from statemachines.compiler import CompiledWorkflow, compile_workflow
from statemachines.interpreter import Interpreter, Machine
from statemachines.plan import Planner, Spend
from tests.interpreter.harness import EPOCH, LoopClock, MemoryJournal, in_virtual_time

EXAMPLES = Path(__file__).parents[2] / "examples"
EXECUTION = "0198f0e0-0000-7000-8000-000000000001"


@dataclass
class Recorded:
    """A run's histories: its own, and by their ids those of its distributed loops' items."""

    change: StatusChange
    history: list[HistoryEvent]
    items: dict[str, list[HistoryEvent]]

    @property
    def children(self) -> list[list[HistoryEvent]]:
        return list(self.items.values())

    @property
    def succeeded(self) -> bool:
        return self.change.status == ExecutionStatus.SUCCEEDED


def compiled(definition: Any, **settings: Any) -> CompiledWorkflow:
    document = load_text(definition) if isinstance(definition, str) else definition
    return compile_workflow({**document, "settings": {**document.get("settings", {}), **settings}})


def planner(workflow: CompiledWorkflow, **more: Any) -> Planner:
    return Planner(workflow.definition, workflow.asl, workflow.source_map, **more)


def record(workflow: CompiledWorkflow, value: Any, runner: TaskRunner, mode: str = "durable") -> Recorded:
    """One run in virtual time."""
    journal, machine = MemoryJournal(), Machine.load(workflow.asl)
    request = StartRequest(EXECUTION, "p", "w", 1, value, {}, EPOCH)

    async def main() -> StatusChange:
        interpreter = Interpreter(journal=journal, runner=runner, clock=LoopClock(), histories=journal)
        return await interpreter.run(machine, request, workflow_name="w", mode=mode)

    change = in_virtual_time(main)
    others = {each: journal.of(each) for each, _ in journal.log if each != EXECUTION}
    items = {each: events for each, events in others.items() if events[0].type == "ExecutionStarted"}
    return Recorded(change, journal.of(EXECUTION), items)


class Counting:
    """Hands calls to a runner, and counts them by function and by what they would be retried as."""

    def __init__(self, runner: TaskRunner) -> None:
        self.runner = runner
        self.calls: Counter[str] = Counter()
        self.retries = 0

    async def run(self, call: TaskCall) -> Any:
        self.calls[call.arguments["FunctionName"].removeprefix("${").removesuffix("FunctionArn}").lower()] += 1
        self.retries += call.attempt > 0
        return await self.runner.run(call)

    async def stop(self, call: TaskCall) -> None:
        await self.runner.stop(call)


def entered(recorded: Recorded) -> int:
    """`…StateEntered` events of all histories."""
    return sum(event.type.endswith("StateEntered") for each in [recorded.history, *recorded.children] for event in each)


class Scripted:
    """Answers by node: a list gives one answer after the other, its last one again and again."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    async def run(self, call: TaskCall) -> Any:
        await asyncio.sleep(0)
        node = call.arguments["Payload"]["node"]
        answer = self.answers[node]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return {"Payload": {"output": answer, "meta": {}}, "StatusCode": 200}

    async def stop(self, call: TaskCall) -> None:
        """Nothing is handed over."""


def between(least: Spend, found: Spend, most: Spend) -> list[str]:
    """What lies outside, in words."""
    wrong = []
    for name in ("transitions", "events"):
        low, value, high = (getattr(each, name) for each in (least, found, most))
        if not low <= value or (high is not None and value > high):
            wrong.append(f"{name}: {low} <= {value} <= {high}")
    for name in {*least.lambda_calls, *found.lambda_calls}:
        low, value = least.lambda_calls.get(name, 0), found.lambda_calls.get(name, 0)
        high = most.lambda_calls.get(name, 0)
        if not low <= value or (high is not None and value > high):
            wrong.append(f"calls of {name}: {low} <= {value} <= {high}")
    return wrong
