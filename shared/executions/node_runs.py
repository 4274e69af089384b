"""What the projector makes of a history: the runs of nodes, and changes of a run or of the whole execution."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import orjson

from shared.executions.records import ExecutionStatus


class NodeStatus(StrEnum):
    """pending → running → one of the last four; skipped: the execution ended without coming by."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        return self not in (NodeStatus.PENDING, NodeStatus.RUNNING)


_ADDED = ("cost_usd", "duration_ms")


@dataclass(slots=True)
class NodeRun:
    """One node at work, in one iteration of the loop it is in.

    The `…_text` fields are JSON text, parsed when asked for.
    """

    node: str
    name: str | None
    type: str
    iteration: int | None = None
    """The innermost loop's index, from 0; None outside of loops."""
    status: NodeStatus = NodeStatus.RUNNING
    attempts: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: dict[str, Any] | None = None
    """`{"name", "cause"}` of the attempt that failed last; also of one that is being retried."""
    input_text: str | None = None
    """The input of its state."""
    call_text: str | None = None
    """The arguments of its first Task: for a node that does work, `{"FunctionName", "Payload": <NodeCall>}`."""
    result_text: str | None = None
    """The result of its last Task: for a node that does work, `{"Payload": <NodeResult>, …}`."""
    earlier_results: tuple[str, ...] = ()
    """Of the Tasks before that one: a node may take several turns."""
    output_text: str | None = None

    @property
    def input(self) -> Any:
        """For a node that does work its evaluated config, else the input of its state; None where it has no state."""
        if self.call_text is None:
            return parsed(self.input_text)
        arguments = parsed(self.call_text)
        payload = value_of(arguments, "Payload")
        return value_of(payload, "config") if payload is not None else arguments

    @property
    def output(self) -> Any:
        return parsed(self.output_text)

    @property
    def meta(self) -> dict[str, Any] | None:
        """What the node's function says of its work besides the output (model, usage, HTTP status, …).

        Of several turns that of the last one, with the numbers of all of them: usage, cost and duration add up.
        """
        told = [
            value_of(value_of(parsed(text), "Payload"), "meta") for text in (*self.earlier_results, self.result_text)
        ]
        metas = [meta for meta in told if isinstance(meta, dict) and meta]
        return _added_up(metas) if len(metas) > 1 else next(iter(metas), None)

    @property
    def duration_ms(self) -> float | None:
        return milliseconds(self.started_at, self.completed_at)


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node's run moved on with the history event `event_id`. `run` is a copy, as it was then."""

    event_id: int
    at: datetime
    run: NodeRun


@dataclass(frozen=True, slots=True)
class ExecutionChange:
    """The execution moved to `status` with the history event `event_id`."""

    event_id: int
    at: datetime
    status: ExecutionStatus
    output_text: str | None = None
    error: dict[str, Any] | None = None

    @property
    def output(self) -> Any:
        return parsed(self.output_text)


Change: TypeAlias = NodeChange | ExecutionChange


def milliseconds(start: datetime | None, end: datetime | None) -> float | None:
    """The time between, to a thousandth; None where one is missing."""
    return round((end - start).total_seconds() * 1000, 3) if start is not None and end is not None else None


def parsed(text: str | None) -> Any:
    """A payload. AWS cuts what is too long, so that text may not be JSON; then it is shown as it is."""
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _added_up(metas: list[dict[str, Any]]) -> dict[str, Any]:
    usage: dict[str, Any] = {}
    for each in metas:
        for name, value in (each.get("usage") or {}).items():
            usage[name] = usage.get(name, 0) + value
    sums = {name: sum(each.get(name, 0) for each in metas) for name in _ADDED if any(name in each for each in metas)}
    return {**metas[-1], **({"usage": usage} if usage else {}), **sums, "turns": len(metas)}


def value_of(value: Any, name: str) -> Any:
    """A member of a payload that is an object; None where it is not there."""
    return value.get(name) if isinstance(value, dict) else None
