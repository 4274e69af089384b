"""Compiles a definition and runs it: on the strict machine, or on the interpreter."""

from collections.abc import Callable
from typing import Any

from shared.executions.records import StartRequest, StatusChange
from shared.ports import TaskCall, TaskFailed
from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from statemachines.interpreter import Interpreter
from statemachines.interpreter import Machine as Interpreted
from tests.compiler.strict_machine import Machine, StateError
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


def start(definition: str | dict[str, Any], value: Any = None, work: Lambda = echo) -> Machine:
    document = load_text(definition) if isinstance(definition, str) else definition
    asl = compile_workflow(document).asl
    machine = Machine(asl, lambda arguments: {"Payload": {"output": answered(work, arguments["Payload"]), "meta": {}}})
    machine.input = {"input": value, "execution": {"id": "e1", "workflow": "w"}}
    return machine


def judged(definition: str | dict[str, Any], value: Any = None, work: Lambda = echo) -> Any:
    """The result on the strict machine. Raises StateError where the execution fails."""
    machine = start(definition, value, work)
    return machine.run(machine.input)


def interpreted(definition: str | dict[str, Any], value: Any = None, work: Lambda = echo) -> Any:
    """The same on the interpreter, in virtual time."""
    document = load_text(definition) if isinstance(definition, str) else definition
    machine = Interpreted.load(compile_workflow(document).asl)
    started = StartRequest("e1", "p1", "w1", 1, value, {}, EPOCH)

    async def main() -> StatusChange:
        running = Interpreter(journal=MemoryJournal(), runner=_Worker(work), clock=LoopClock())
        return await running.run(machine, started, workflow_name="w")

    change = in_virtual_time(main)
    if change.error is not None:
        raise StateError(change.error["name"], change.error["cause"])
    return change.result


class _Worker:
    """Does the work of Tasks, at once."""

    def __init__(self, work: Lambda) -> None:
        self._work = work

    async def run(self, call: TaskCall) -> Any:
        try:
            output = answered(self._work, call.arguments["Payload"])
        except StateError as error:
            raise TaskFailed(error.error, error.cause) from None
        return {"Payload": {"output": output, "meta": {}}, "StatusCode": 200}


def fails(*nodes: str) -> Lambda:
    """Work that fails at these nodes."""

    def work(payload: dict[str, Any]) -> Any:
        if payload["node"] in nodes:
            raise StateError("DestinationRefused", '{"errorMessage": "403"}')
        return echo(payload)

    return work
