"""What a recorded execution took: counted in its history, which has Step Functions' own shape on every stage."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from shared.ids import derived_id
from statemachines.plan.amounts import CALL, EVENTS, MODEL_DOLLARS, SECONDS, START, TOKENS, TRANSITIONS, Amounts
from statemachines.plan.work import function_of, workflow_of


class Event(Protocol):
    """A history event; see shared.executions.records.HistoryEvent."""

    @property
    def id(self) -> int: ...
    @property
    def previous_id(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def timestamp(self) -> datetime: ...
    @property
    def details(self) -> dict[str, Any]: ...


BUSY = "busy:"
"""Prefix: seconds that calls of a function took."""

_ATTEMPTS = ("TaskScheduled", "ParallelStateStarted", "MapStateStarted")
_ENDED = ("TaskSubmitted", "TaskSucceeded", "TaskFailed", "TaskTimedOut")


def amounts_of(history: Sequence[Event], children: Iterable[Sequence[Event]] = ()) -> Amounts:
    """What an execution took; `children` are the histories of the child executions of its distributed Maps.

    A retry is an attempt that does not follow the entry of its state. One whose expression failed before anything was
    attempted is not told apart, and not counted.
    """
    found = _counted(history)
    for child in children:
        amounts = _counted(child)
        amounts.pop(EVENTS)
        amounts.pop(SECONDS)
        found = found.plus(amounts)
    return found


def children_of(history: Sequence[Event]) -> Iterator[str]:
    """The ids of the child executions of its distributed Maps: one for each item, whether it began or not."""
    lengths = {event.id: event.details["length"] for event in history if event.type == "MapStateStarted"}
    for event in history:
        if event.type == "MapRunStarted":
            run = str(event.details["mapRunArn"]).rpartition(":")[2]
            for index in range(lengths[event.previous_id]):
                yield derived_id(run, str(index))


def mean(runs: Sequence[Amounts]) -> Amounts:
    """Of each kind the mean over all runs; there must be one."""
    total = Amounts()
    for run in runs:
        total = total.plus(run)
    return Amounts({kind: amount / len(runs) for kind, amount in total.items()})


def _counted(history: Sequence[Event]) -> Amounts:
    types = {event.id: event.type for event in history}
    seconds = (history[-1].timestamp - history[0].timestamp).total_seconds()
    found = Amounts({TRANSITIONS: 1, EVENTS: len(history), SECONDS: seconds})
    tasks = _Tasks()
    for event in history:
        retried = event.type in _ATTEMPTS and not types.get(event.previous_id, "").endswith("StateEntered")
        if event.type.endswith("StateEntered") or retried:
            found[TRANSITIONS] += 1
        found = _add(found, tasks.feed(event))
    return found


def _add(found: Amounts, more: Mapping[str, float]) -> Amounts:
    for kind, amount in more.items():
        found[kind] = found.get(kind, 0) + amount
    return found


class _Tasks:
    """Follows each task from its TaskScheduled event to its end."""

    def __init__(self) -> None:
        self.function: dict[int, tuple[str, datetime]] = {}

    def feed(self, event: Event) -> dict[str, float]:
        if event.type == "TaskScheduled":
            return self._scheduled(event)
        at_work = self.function.pop(event.previous_id, None)
        if at_work is None:
            return {}
        if event.type == "TaskStarted":
            self.function[event.id] = (at_work[0], event.timestamp)
            return {}
        return self._ended(event, *at_work) if event.type in _ENDED else {}

    def _scheduled(self, event: Event) -> dict[str, float]:
        parameters = json.loads(event.details["parameters"])
        if event.details.get("resourceType") == "lambda":
            function = function_of(parameters["FunctionName"])
            self.function[event.id] = (function, event.timestamp)
            return {f"{CALL}{function}": 1}
        if str(event.details.get("resource")).startswith("startExecution"):
            return {f"{START}{workflow_of(parameters['StateMachineArn'])}": 1}
        return {}

    def _ended(self, event: Event, function: str, since: datetime) -> dict[str, float]:
        found = {f"{BUSY}{function}": (event.timestamp - since).total_seconds()}
        if function != "agent" or event.type != "TaskSucceeded":
            return found
        meta = (json.loads(event.details["output"]).get("Payload") or {}).get("meta") or {}
        usage = meta.get("usage") or {}
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        return found | {TOKENS: tokens, MODEL_DOLLARS: meta.get("cost_usd") or 0.0}
