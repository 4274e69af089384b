"""Compiles a definition and runs it: on the strict machine, or on the interpreter."""

from collections.abc import Callable
from typing import Any

from shared.executions.records import HistoryEvent, StartRequest, StatusChange
from shared.ports import TaskCall, TaskFailed, TaskRunner
from shared.workflow.load import load_text
from statemachines.compiler import CompiledWorkflow, compile_workflow
from statemachines.interpreter import Interpreter, Machine
from tests.compiler.strict_machine import Machine as StrictMachine
from tests.compiler.strict_machine import StateError
from tests.interpreter.harness import EPOCH, LoopClock, MemoryJournal, in_virtual_time

Lambda = Callable[[dict[str, Any]], Any]
"""A node's work: payload in, output out."""


def echo(payload: dict[str, Any]) -> Any:
    return payload["config"].get("body")


def answered(work: Lambda, payload: dict[str, Any]) -> Any:
    """What the Lambda says; an agent that takes turns has its answer in the first one."""
    output = work(payload)
    turn = payload.get("turn")
    if turn is None or (isinstance(output, dict) and "calls" in output):
        return output
    return {"number": turn["number"], "done": True, "output": output, "calls": []}


def compiled(definition: str | dict[str, Any], *, optimize: bool = True) -> CompiledWorkflow:
    """The definition compiled with fusing, or with one state per node."""
    document = load_text(definition) if isinstance(definition, str) else definition
    return compile_workflow({**document, "settings": {**document.get("settings", {}), "optimize": optimize}})


def start(
    definition: str | dict[str, Any], value: Any = None, work: Lambda = echo, *, optimize: bool = True
) -> StrictMachine:
    asl = compiled(definition, optimize=optimize).asl
    machine = StrictMachine(
        asl, lambda arguments: {"Payload": {"output": answered(work, arguments["Payload"]), "meta": {}}}
    )
    machine.input = {"input": value, "execution": {"id": "e1", "workflow": "w"}}
    return machine


def judged(definition: str | dict[str, Any], value: Any = None, work: Lambda = echo, *, optimize: bool = True) -> Any:
    """The result on the strict machine. Raises StateError where the execution fails."""
    machine = start(definition, value, work, optimize=optimize)
    return machine.run(machine.input)


def interpreted(
    definition: str | dict[str, Any], value: Any = None, work: Lambda = echo, *, optimize: bool = True
) -> Any:
    """The result on the interpreter, in virtual time."""
    change, _ = played(compiled(definition, optimize=optimize), value, Worker(work))
    if change.error is not None:
        raise StateError(change.error["name"], change.error["cause"])
    return change.result


def played(
    workflow: CompiledWorkflow, value: Any, runner: TaskRunner, mode: str = "durable"
) -> tuple[StatusChange, list[HistoryEvent]]:
    """How it ends on the interpreter in virtual time, and its history."""
    journal, machine = MemoryJournal(), Machine.load(workflow.asl)
    request = StartRequest("0198f0e0-0000-7000-8000-000000000001", "p", "w", 1, value, {}, EPOCH)

    async def main() -> StatusChange:
        interpreter = Interpreter(journal=journal, runner=runner, clock=LoopClock())
        return await interpreter.run(machine, request, workflow_name="w", mode=mode)

    return in_virtual_time(main), journal.of(request.execution_id)


class Worker:
    """Does the work of Tasks, at once."""

    def __init__(self, work: Lambda) -> None:
        self._work = work

    async def run(self, call: TaskCall) -> Any:
        try:
            output = answered(self._work, call.arguments["Payload"])
        except StateError as error:
            raise TaskFailed(error.error, error.cause) from None
        return {"Payload": {"output": output, "meta": {}}, "StatusCode": 200}

    async def stop(self, call: TaskCall) -> None:
        """Nothing is handed over."""


def fails(*nodes: str) -> Lambda:
    """Work that fails at these nodes."""

    def work(payload: dict[str, Any]) -> Any:
        if payload["node"] in nodes:
            raise StateError("DestinationRefused", '{"errorMessage": "403"}')
        return echo(payload)

    return work
