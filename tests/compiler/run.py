"""Compiles a definition and runs it on the strict machine."""

from collections.abc import Callable
from typing import Any

from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from tests.compiler.strict_machine import Machine, StateError

Lambda = Callable[[dict[str, Any]], Any]
"""A node's work: payload in, output out."""


def echo(payload: dict[str, Any]) -> Any:
    return payload["config"].get("body")


def start(definition: str | dict[str, Any], value: Any = None, work: Lambda = echo) -> Machine:
    document = load_text(definition) if isinstance(definition, str) else definition
    asl = compile_workflow(document).asl
    machine = Machine(asl, lambda arguments: {"Payload": {"output": work(arguments["Payload"]), "meta": {}}})
    machine.input = {"input": value, "execution": {"id": "e1", "workflow": "w"}}
    return machine


def result(definition: str | dict[str, Any], value: Any = None, work: Lambda = echo) -> Any:
    machine = start(definition, value, work)
    return machine.run(machine.input)


def fails(*nodes: str) -> Lambda:
    """Work that fails at these nodes."""

    def work(payload: dict[str, Any]) -> Any:
        if payload["node"] in nodes:
            raise StateError("DestinationRefused", '{"errorMessage": "403"}')
        return echo(payload)

    return work
