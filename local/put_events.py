"""Publishes events of running executions: `events:putEvents` on the local stage.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html
"""

import asyncio
from typing import Any

import orjson

from shared.clock import Clock
from shared.errors import MillraceError, StoreUnavailable
from shared.ports import ExecutionStore, TaskCall, TaskFailed
from shared.ports.events import EventBus
from shared.triggers.events.records import Event, event_of, with_depth

PUT_EVENTS = "arn:aws:states:::events:putEvents"
MAX_ENTRIES = 10
"""Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""

_PAUSE_SECONDS = 1.0
_NAMES = {"Source": "source", "DetailType": "detail-type", "Detail": "detail", "Time": "time", "Resources": "resources"}
_ELSEWHERE = frozenset({"EventBusName", "EndpointId", "TraceHeader"})
"""Members that say nothing here: a project has one bus."""


class PutEvents:
    """A task that is tried again publishes again, as in the cloud: at least once."""

    def __init__(self, bus: EventBus, executions: ExecutionStore, clock: Clock) -> None:
        self._bus = bus
        self._executions = executions
        self._clock = clock

    async def run(self, call: TaskCall) -> Any:
        """What PutEvents answers. Raises TaskFailed where an entry is refused; those before it were published."""
        entries = call.arguments.get("Entries") if isinstance(call.arguments, dict) else None
        if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_ENTRIES:
            raise TaskFailed(
                "EventBridge.ValidationException", f"'Entries' is not a list of 1 to {MAX_ENTRIES} events."
            )
        while True:
            try:
                depth = await self._depth(call)
                published = [await self._bus.publish(with_depth(self._event(call, each), depth)) for each in entries]
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE_SECONDS)  # the task only takes longer, as all of the execution does
            else:
                return {"Entries": [{"EventId": each.event_id} for each in published], "FailedEntryCount": 0}

    async def _depth(self, call: TaskCall) -> int:
        execution = await self._executions.get(call.project_id, call.execution_id)
        return int(execution.context.get("trigger", {}).get("depth", 0)) if execution is not None else 0

    def _event(self, call: TaskCall, entry: Any) -> Event:
        """`Detail` is an object here, or JSON text."""
        if not isinstance(entry, dict):
            raise TaskFailed("EventBridge.ValidationException", f"{str(entry)[:100]} is not an entry.")
        try:
            named = {_NAMES.get(name, name): value for name, value in entry.items() if name not in _ELSEWHERE}
            if isinstance(named.get("detail"), str):
                named["detail"] = orjson.loads(named["detail"])
            return event_of(named, project_id=call.project_id, now=self._clock.now())
        except orjson.JSONDecodeError as error:
            raise TaskFailed("EventBridge.FailedEntry", f"'Detail' is not JSON: {error}.") from None
        except MillraceError as error:
            raise TaskFailed("EventBridge.FailedEntry", error.message) from None
