"""What the interpreter itself costs: microseconds for each state, with nothing written and no call made.

Run: python -m bench.interpreter_step
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.clock import SystemClock
from shared.executions.records import HistoryEvent, StartRequest, StatusChange
from shared.ports import TaskCall
from statemachines.interpreter import Interpreter, Machine

STATES = 50
ROUNDS = 400
_DATA = {"customer": {"name": "Ada", "orders": [{"sku": f"s{i}", "price": i * 1.5} for i in range(20)]}}


class NoJournal:
    """Takes events and forgets them."""

    async def write(
        self, execution_id: str, project_id: str, events: Sequence[HistoryEvent], change: StatusChange | None = None
    ) -> None:
        """Returns at once."""


class NoWork:
    """Answers every task at once."""

    async def run(self, call: TaskCall) -> Any:
        return {"ExecutedVersion": "$LATEST", "Payload": {"output": call.arguments["Payload"]}, "StatusCode": 200}


def chain(state: dict[str, Any]) -> Machine:
    """STATES equal states in a row."""
    states = {f"s{i}": {**state, "Next": f"s{i + 1}"} for i in range(STATES - 1)}
    states[f"s{STATES - 1}"] = {**state, "End": True}
    return Machine.load({"QueryLanguage": "JSONata", "StartAt": "s0", "States": states})


SUBJECTS = {
    "Pass": {"Type": "Pass"},
    "Pass with Output (path)": {"Type": "Pass", "Output": "{% $states.input %}"},
    "Pass with Output (expression) and Assign": {
        "Type": "Pass",
        "Output": {
            "customer": "{% $states.input.customer %}",
            "total": "{% $sum($states.input.customer.orders.price) %}",
        },
        "Assign": {"name": "{% $uppercase($states.input.customer.name) %}"},
    },
    "Choice": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input.customer.name = 'Ada' %}"}]},
    "Task": {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "f", "Payload": {"config": {"who": "{% $states.input.customer.name %}"}}},
        "Assign": {"result": "{% $states.result.Payload.output %}"},
        "Output": "{% $states.input %}",
    },
}


def machine(subject: dict[str, Any]) -> Machine:
    if subject["Type"] != "Choice":
        return chain(subject)
    states: dict[str, Any] = {
        f"s{i}": {"Type": "Choice", "Choices": [{**subject["Choices"][0], "Next": f"s{i + 1}"}]} for i in range(STATES)
    }
    states[f"s{STATES}"] = {"Type": "Succeed"}
    return Machine.load({"QueryLanguage": "JSONata", "StartAt": "s0", "States": states})


async def microseconds(subject: dict[str, Any], mode: str) -> float:
    """Per state, over ROUNDS executions one after the other."""
    interpreter = Interpreter(
        journal=NoJournal(), runner=NoWork(), clock=SystemClock(), input_of=lambda each, _: each.input
    )
    loaded = machine(subject)
    request = StartRequest("e", "p", "w", 1, _DATA, {}, datetime.now(UTC))
    await interpreter.run(loaded, request, workflow_name="bench", mode=mode)
    begin = time.perf_counter()
    for _ in range(ROUNDS):
        await interpreter.run(loaded, request, workflow_name="bench", mode=mode)
    return (time.perf_counter() - begin) / ROUNDS / STATES * 1e6


def main() -> None:
    for name, subject in SUBJECTS.items():
        durable, express = (asyncio.run(microseconds(subject, mode)) for mode in ("durable", "express"))
        print(f"{name:44} {durable:8.1f} µs durable {express:8.1f} µs express")


if __name__ == "__main__":
    main()
