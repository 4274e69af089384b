"""Log lines of an execution, told from its history: what each node did, how long it took, and why it failed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

import orjson

from shared.executions.node_runs import ExecutionChange, NodeChange, NodeRun, NodeStatus
from shared.executions.projector import Projector
from shared.executions.records import ExecutionStatus, HistoryEvent


class Level(IntEnum):
    """Severity; a filter keeps a level and those above it."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `id` is `<history event>.<n>`, both of fixed width, so that ids sort as text by time."""

    id: str
    timestamp: datetime
    level: Level
    node: str | None
    message: str
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted: at least `level`, of `node`, in [since, until), after the line `after`."""

    level: Level = Level.DEBUG
    node: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: str = ""

    def takes(self, line: LogLine) -> bool:
        return (
            line.id > self.after
            and line.level >= self.level
            and (self.node is None or line.node == self.node)
            and (self.since is None or line.timestamp >= self.since)
            and (self.until is None or line.timestamp < self.until)
        )


@dataclass(slots=True)
class _Words:
    level: Level
    message: str
    data: dict[str, Any] = field(default_factory=dict)


def log_lines(source_map: Mapping[str, Any], history: Iterable[HistoryEvent]) -> Iterator[LogLine]:
    """Every line of a history, oldest first."""
    projector = Projector(source_map)
    for event in history:
        for number, change in enumerate(projector.feed(event)):
            words = _of_node(change.run) if isinstance(change, NodeChange) else _of_execution(change)
            node = change.run.node if isinstance(change, NodeChange) else None
            line_id = f"{event.id:08d}.{number:04d}"
            yield LogLine(line_id, change.at, words.level, node, words.message, words.data or None)


def _of_node(run: NodeRun) -> _Words:
    told = _NODE[run.status](run)
    if run.iteration is not None:
        told.data["iteration"] = run.iteration
    return told


def _running(run: NodeRun) -> _Words:
    if run.error is not None:
        return _Words(
            Level.WARNING,
            f"{run.node}: attempt {run.attempts} failed: {reason(run.error)}",
            {"attempt": run.attempts, "error": run.error},
        )
    if run.attempts > 1:
        return _Words(Level.INFO, f"{run.node}: attempt {run.attempts} started", {"attempt": run.attempts})
    return _Words(Level.DEBUG, f"{run.node}: started")


def _succeeded(run: NodeRun) -> _Words:
    meta = {"meta": run.meta} if run.meta else {}
    data = {"duration_ms": run.duration_ms, "attempts": run.attempts, **meta}
    return _Words(Level.INFO, f"{run.node}: succeeded in {run.duration_ms or 0:.0f} ms", data)


def _failed(run: NodeRun) -> _Words:
    error = run.error or {"name": "unknown", "cause": ""}
    data = {"duration_ms": run.duration_ms, "attempts": run.attempts, "error": error}
    return _Words(Level.ERROR, f"{run.node}: failed: {reason(error)}", data)


_NODE: dict[NodeStatus, Callable[[NodeRun], _Words]] = {
    NodeStatus.RUNNING: _running,
    NodeStatus.SUCCEEDED: _succeeded,
    NodeStatus.FAILED: _failed,
    NodeStatus.SKIPPED: lambda run: _Words(Level.DEBUG, f"{run.node}: skipped"),
    NodeStatus.CANCELLED: lambda run: _Words(Level.WARNING, f"{run.node}: cancelled"),
}


def _of_execution(change: ExecutionChange) -> _Words:
    if change.error is None:
        words = "started" if change.status == ExecutionStatus.RUNNING else change.status.value
        return _Words(Level.INFO, f"execution {words}")
    level = Level.WARNING if change.status == ExecutionStatus.CANCELLED else Level.ERROR
    words = change.status.value.replace("_", " ")
    return _Words(level, f"execution {words}: {reason(change.error)}", {"error": change.error})


def reason(error: Mapping[str, Any]) -> str:
    """An error in one line: its name, and its cause in words. A Lambda's cause is a JSON document that holds them."""
    name, cause = str(error.get("name") or ""), str(error.get("cause") or "")
    try:
        document = orjson.loads(cause)
    except orjson.JSONDecodeError:
        document = None
    words = document.get("errorMessage", cause) if isinstance(document, dict) else cause
    return f"{name}: {words}" if name and words else name or str(words)
