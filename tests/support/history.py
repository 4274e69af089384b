"""Histories in Step Functions' documented shape, written by hand.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.executions.records import HistoryEvent

START = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
LAMBDA = {"resourceType": "lambda", "resource": "invoke"}


class History:
    """Collects events. Each names the one before it, or `after`, as its predecessor, and comes 10 ms later."""

    def __init__(self) -> None:
        self.events: list[HistoryEvent] = []

    def add(self, kind: str, after: int | None = None, **details: Any) -> int:
        """Adds an event; its id."""
        number = len(self.events) + 1
        previous = number - 1 if after is None else after
        self.events.append(HistoryEvent(number, previous, kind, START + timedelta(milliseconds=10 * number), details))
        return number

    def entered(self, kind: str, name: str, after: int | None = None, data: Any = None) -> int:
        return self.add(f"{kind}StateEntered", after, name=name, input=json.dumps(data))

    def exited(self, kind: str, name: str, output: Any = None, after: int | None = None, **variables: Any) -> int:
        assigned = {"assignedVariables": {k: json.dumps(v) for k, v in variables.items()}} if variables else {}
        return self.add(f"{kind}StateExited", after, name=name, output=json.dumps(output), **assigned)

    def scheduled(self, node: str, config: Any = None, after: int | None = None) -> int:
        payload = {"node": node, "type": "webhook", "config": config or {}, "attempt": 0}
        arguments = {"FunctionName": "${HttpFunctionArn}", "Payload": payload}
        return self.add("TaskScheduled", after, **LAMBDA, region="local", parameters=json.dumps(arguments))

    def succeeded(self, output: Any, meta: dict[str, Any] | None = None, after: int | None = None) -> int:
        result = {"StatusCode": 200, "Payload": {"output": output, "meta": meta or {}}}
        return self.add("TaskSucceeded", after, **LAMBDA, output=json.dumps(result))

    def failed(self, error: str, cause: str = "", after: int | None = None) -> int:
        return self.add("TaskFailed", after, **LAMBDA, error=error, cause=cause)

    def task(self, node: str, output: Any = None, after: int | None = None) -> int:
        """A Task that succeeds at once; the id of its exit."""
        self.entered("Task", node, after)
        self.scheduled(node)
        self.add("TaskStarted", **LAMBDA)
        self.succeeded(output)
        return self.exited("Task", node, output, **{node: output})


def source_map(*nodes: str, fused: dict[str, list[str]] | None = None, **types: str) -> dict[str, Any]:
    """A source map in which each of `nodes` has a state of its own name; `fused` nodes complete with a state."""
    inside = [each for group in (fused or {}).values() for each in group]
    return {
        "states": {n: {"node": n, "role": "main", "fused": (fused or {}).get(n, [])} for n in nodes},
        "nodes": {n: {"type": types.get(n, "webhook"), "name": None} for n in (*nodes, *inside)},
    }
