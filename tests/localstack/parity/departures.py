"""What is compared of an execution, and what is not, with the reason: the one place for it."""

import json
import re
from typing import Any

_OWN_MEASURES = {"duration_ms", "latency_ms", "cost_usd"}
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b")
_NOW = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}(Z|\+00:00)")
"""A time with a fraction: what a clock said. The workflows themselves name none."""


def told(execution: dict[str, Any]) -> dict[str, Any]:
    """Status, output, error and node runs, with what is another value every time put in general terms."""
    text = json.dumps(
        {
            "status": execution["status"],
            "output": _value(execution["output"]),
            "error": _error(execution["error"]),
            "nodes": sorted(map(_run, execution["nodes"]), key=_place),
        }
    )
    for found, general in ((execution["id"], "<execution>"), (execution["workflow_id"], "<workflow>")):
        text = text.replace(found, general)
    compared: dict[str, Any] = json.loads(_NOW.sub("<now>", _UUID.sub("<uuid>", text)))
    return compared


def _run(run: dict[str, Any]) -> dict[str, Any]:
    compared = {name: run[name] for name in ("node", "name", "type", "iteration", "status")}
    return {
        **compared,
        "attempts": _attempts(run),
        "input": _value(run["input"]),
        "output": _value(run["output"]),
        "error": _error(run["error"]),
        "meta": _meta(run),
    }


def _attempts(run: dict[str, Any]) -> int:
    """Of loops and parallel nodes only whether there was one: LocalStack leaves the event out that ends the others
    (MapStateFailed, ParallelStateFailed)."""
    attempts: int = run["attempts"]
    return min(attempts, 1) if run["type"] in ("loop", "parallel") else attempts


def _meta(run: dict[str, Any]) -> dict[str, Any]:
    """None where a node took too long: LocalStack lets the function go on, and tells of its result afterwards."""
    if run["error"] is not None and run["error"]["name"] == "States.Timeout":
        return {}
    return {name: value for name, value in (run["meta"] or {}).items() if name not in _OWN_MEASURES}


def _place(run: dict[str, Any]) -> str:
    """Runs that are concurrent begin in any order, and a loop in a loop has several of one index."""
    return json.dumps([run["node"], run["iteration"], run["status"], run["input"], run["output"]])


def _error(error: dict[str, Any] | None) -> dict[str, Any] | None:
    return error if error is None else {**error, "cause": _cause(error["name"], error["cause"])}


def _cause(name: str, cause: str) -> str:
    """Errors of Step Functions itself are told in LocalStack's own words. Of a function's error Lambda's runtime tells
    its type and message, the request and a stack trace; the local stage tells what else the error carries."""
    if name.startswith("States."):
        return "<words>"
    try:
        said = json.loads(cause)
    except ValueError:
        return cause
    return f"{said.get('errorType')}: {said.get('errorMessage')}"


def _value(value: Any) -> Any:
    """A value, in which errors that were caught are told as errors are."""
    if isinstance(value, list):
        return [_value(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"name", "cause"}:
        return _error(value)
    return {key: _value(each) for key, each in value.items()}
