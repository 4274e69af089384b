"""What was promised, held to what is in the database and to what the service saw.

kept     every accepted execution is there, and has reached exactly one end, with the right output
once     no call begins after its task's result is in the history of a durable execution
whole    the events of a history are numbered without a gap, and exactly one of them, the last, is the end
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from shared.adapters.postgres.executions import PostgresExecutions
from shared.executions.records import Execution, ExecutionStatus, HistoryEvent
from shared.settings import DEFAULT_PROJECT_ID
from tests.chaos.jobs import Job
from tests.chaos.service import Service

_ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")


async def violations(
    store: PostgresExecutions, accepted: dict[str, tuple[str, int]], jobs: dict[str, Job], service: Service
) -> list[str]:
    """What is wrong, in words. `accepted` has the job's name and the number of each accepted execution by its id."""
    found: list[str] = []
    by_number: dict[int, tuple[Execution, Sequence[HistoryEvent]]] = {}
    for execution_id, (name, number) in accepted.items():
        execution = await store.get(DEFAULT_PROJECT_ID, execution_id)
        if execution is None:
            found.append(f"{name} {number} {execution_id}: was accepted, and is gone")
            continue
        history = await store.history(execution_id)
        by_number[number] = (execution, history)
        found += [f"{name} {number} {execution_id}: {words}" for words in _kept(execution, jobs[name], number)]
        found += [f"{name} {number} {execution_id}: {words}" for words in _whole(history)]
    for (number, place), calls in service.calls.items():
        if number in by_number and jobs[by_number[number][0].workflow_name].durable:
            execution, history = by_number[number]
            late = _repeated(history, place, calls)
            found += [f"{execution.workflow_name} {number} {execution.id}: {place} {words}" for words in late]
    return found


def _kept(execution: Execution, job: Job, number: int) -> Iterator[str]:
    if execution.status is not ExecutionStatus.SUCCEEDED:
        yield f"is {execution.status.value}: {execution.error}"
    elif execution.result != job.expected(number):
        yield f"gave {execution.result!r}, not {job.expected(number)!r}"


def _whole(history: Sequence[HistoryEvent]) -> Iterator[str]:
    ids = [event.id for event in history]
    if ids != list(range(1, len(ids) + 1)):
        yield f"its events have the numbers {ids}"
    ends = [event.id for event in history if event.type in _ENDS]
    if ends != ids[-1:]:
        yield f"ends at {ends} of {len(ids)} events"


def _repeated(history: Sequence[HistoryEvent], place: str, calls: Sequence[Any]) -> Iterator[str]:
    """A call that begins after the result of this place was taken: the task had finished, and was run again."""
    asked = [event for event in history if event.type == "TaskScheduled" and _place(event) == place]
    chains = {event.previous_id: event for event in history if event.type in ("TaskStarted", "TaskSucceeded")}
    for scheduled in asked:
        event: HistoryEvent | None = scheduled
        while event is not None and event.type != "TaskSucceeded":
            event = chains.get(event.id)
        if event is None:
            continue
        for call in calls:
            if call > event.timestamp:
                yield f"was called at {call}, after its result of {event.timestamp}"


def _place(event: HistoryEvent) -> Any:
    parameters = orjson.loads(event.details["parameters"])
    return ((parameters.get("Payload") or {}).get("config") or {}).get("body", {}).get("place")
