"""Writes an execution's history: ids, chains, and payloads as JSON text."""

from datetime import datetime
from typing import Any

import orjson

from shared.executions.records import HistoryEvent
from statemachines.interpreter.failure import DATA_LIMIT_EXCEEDED, Failure
from statemachines.interpreter.frame import Payload

MAX_PAYLOAD_BYTES = 262_144
"""256 KiB as UTF-8, https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

MAX_EVENTS = 25_000
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html; the last one is the execution's end."""

RESULTS = frozenset({"TaskSucceeded", "TaskFailed", "TaskTimedOut"})


class Recorder:
    """Events in order; `pending` ones were not taken for writing yet. `now` is the time of what is being recorded."""

    def __init__(self, now: datetime, newest: int = 0) -> None:
        self.now = now
        self.newest = newest
        self.pending: list[HistoryEvent] = []
        self.result_pending = False
        """Whether a task's result is among the pending events."""

    def record(self, kind: str, previous: int, details: dict[str, Any]) -> int:
        """Adds an event and gives its id."""
        self.newest += 1
        self.pending.append(HistoryEvent(self.newest, previous, kind, self.now, details))
        if kind in RESULTS:
            self.result_pending = True
        return self.newest

    def take(self) -> list[HistoryEvent]:
        """The pending events, which are the caller's to write from now on."""
        events, self.pending = self.pending, []
        self.result_pending = False
        return events


def payload(value: Any, what: str) -> Payload:
    """A value with its JSON text.

    Raises:
        Failure: States.DataLimitExceeded, where the text is above MAX_PAYLOAD_BYTES; `what` names whose value it is.
    """
    encoded = orjson.dumps(value)
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise too_large(what)
    return Payload(value, encoded.decode())


def text_of(value: Any) -> str:
    """The JSON text of a value, compact, as Step Functions writes payloads."""
    return orjson.dumps(value).decode()


def too_large(what: str) -> Failure:
    """The failure of a value above MAX_PAYLOAD_BYTES."""
    text = f"The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit."
    return Failure(DATA_LIMIT_EXCEEDED, text)
