"""One execution as its history knows it: what it is called, what it was started with, and the events so far.

Terms:
  child execution   an item or a batch of a distributed Map: an execution with a history of its own
  root              the execution that was asked for; every child execution belongs to one
"""

from datetime import datetime
from typing import Any, TypeAlias

from shared.clock import iso
from shared.executions.records import HistoryEvent
from statemachines.interpreter.payloads import Payload

MAX_EVENTS = 25_000
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html; the last one is the execution's end."""

RESULTS = frozenset({"TaskSucceeded", "TaskFailed", "TaskTimedOut", "TaskSubmitFailed"})

_ARN = "arn:aws:states:local:000000000000"


Events: TypeAlias = list[tuple[str, list[HistoryEvent]]]
"""By the ids of executions."""


class Execution:
    """A root, and what its children share. Events in order; `pending` ones were not taken for writing yet."""

    def __init__(self, id_: str, machine: str, input_: Payload, started_at: datetime, newest: int = 0) -> None:
        """`machine` is the state machine's name; `newest` the id of the last event that is on disk."""
        self.id = id_
        self.machine = machine
        self.input = input_
        self.started_at = started_at
        self.newest = newest
        self.pending: list[HistoryEvent] = []
        self.result_pending = False
        """Of a root: whether a task's result is among the pending events, its children's included."""
        self.unwritten: list[ChildExecution] = []
        """Of a root: children with pending events."""
        self.unwritten_events = 0
        """Of a root: pending events of its children."""
        self.variable_bytes = 0
        """Of all its variables, as JSON."""
        self.depth = 0
        """In how many distributed Maps it is."""
        self.redrives = 0
        self.redriven_at: datetime | None = None
        self._context: dict[str, Any] | None = None

    @property
    def root(self) -> "Execution":
        return self

    def record(self, kind: str, previous: int, details: dict[str, Any], at: datetime) -> int:
        """Adds an event and gives its id."""
        self.newest += 1
        self.pending.append(HistoryEvent(self.newest, previous, kind, at, details))
        if kind in RESULTS:
            self.result_pending = True
        return self.newest

    def take(self) -> list[HistoryEvent]:
        """The pending events, which are the caller's to write from now on."""
        events, self.pending = self.pending, []
        self.result_pending = False
        return events

    def take_children(self) -> list[Events]:
        """Of a root: the pending events of its children, in groups; the caller's to write one group after the other,
        and then the root's own.

        What happened inside is on disk before what follows from it: an item's events, the ledger's, its parent's.
        """
        unwritten, self.unwritten, self.unwritten_events = self.unwritten, [], 0
        groups: dict[tuple[int, bool], Events] = {}
        for each in unwritten:
            groups.setdefault((-each.depth, each.is_ledger), []).append((each.id, each.take()))
        return [groups[place] for place in sorted(groups)]

    def redriven(self, at: datetime) -> None:
        """It was asked to go on from where it failed."""
        self.redrives += 1
        self.redriven_at = at
        self._context = None

    def context(self) -> dict[str, Any]:
        """`Execution` and `StateMachine` of `$states.context`.

        Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html
        """
        if self._context is None:
            execution = {
                "Id": f"{_ARN}:execution:{self.machine}:{self.id}",
                "Input": self.input.value,
                "Name": self.id,
                "StartTime": iso(self.started_at),
                "RedriveCount": self.redrives,
            }
            if self.redriven_at is not None:
                execution["RedriveTime"] = iso(self.redriven_at)
            about = {"Id": f"{_ARN}:stateMachine:{self.machine}", "Name": self.machine}
            self._context = {"Execution": execution, "StateMachine": about}
        return self._context


class ChildExecution(Execution):
    """One whose events are written beside those of its root."""

    is_ledger = False

    def __init__(self, parent: Execution, id_: str, machine: str, input_: Payload, started_at: datetime) -> None:
        super().__init__(id_, machine, input_, started_at)
        self._root = parent.root
        self.depth = parent.depth + 1

    @property
    def root(self) -> Execution:
        return self._root

    def record(self, kind: str, previous: int, details: dict[str, Any], at: datetime) -> int:
        if not self.pending:
            self._root.unwritten.append(self)
        self._root.unwritten_events += 1
        if kind in RESULTS:
            self._root.result_pending = True
        return super().record(kind, previous, details, at)


class Ledger(ChildExecution):
    """What is kept of a Map Run: not an execution, but written in the same way. See map_run."""

    is_ledger = True


def map_run_arn(machine: str, label: str, run_id: str) -> str:
    """As Step Functions names a Map Run."""
    return f"{_ARN}:mapRun:{machine}/{label}:{run_id}"
