"""Live progress as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import orjson
from fastapi.sse import ServerSentEvent

from functions.api.deps import Deps
from shared.clock import iso
from shared.errors import StoreUnavailable
from shared.executions.node_runs import Change, ExecutionChange, NodeChange
from shared.executions.projector import Projector, end_of
from shared.executions.records import Execution
from shared.ports import AgentText

COME_BACK_MS = 1_000

log = logging.getLogger(__name__)


async def changes(
    deps: Deps, execution: Execution, source_map: Mapping[str, Any], after: int
) -> AsyncIterator[ServerSentEvent]:
    """Every change that the history events after `after` make, as they are written, and what agents say meanwhile; ends
    with the execution. Where the feed ends before, or a store does not answer, the client is told to come back: it
    names the last event that it saw.

    Watching begins before the history is read, so that nothing falls in between.
    """
    watcher = _Watcher(deps, execution, source_map, after)
    moves = deps.feed.watch(execution.id)
    try:
        async for said in moves:
            for piece in said:
                yield _text(execution.id, piece)
            try:
                news = await watcher.news()
            except StoreUnavailable as error:
                log.warning("live progress cannot be read now", extra={"reason": error.message})
                break
            for message in news:
                yield message
            if watcher.done:
                return
        yield ServerSentEvent(retry=COME_BACK_MS)
    finally:
        if isinstance(moves, AsyncGenerator):  # gives the feed's connection back at once, also when the client leaves
            await moves.aclose()


class _Watcher:
    """How far one client has been told."""

    def __init__(self, deps: Deps, execution: Execution, source_map: Mapping[str, Any], after: int) -> None:
        self._deps = deps
        self._execution = execution
        self._projector = Projector(source_map)
        self._after = after
        self._read = 0
        self.done = False

    async def news(self) -> list[ServerSentEvent]:
        """The messages for what was written since the last call."""
        messages = await self._from_history()
        if not self.done and not messages:
            messages = await self._from_row()
        return messages

    async def _from_history(self) -> list[ServerSentEvent]:
        messages: list[ServerSentEvent] = []
        for event in await self._deps.executions.history(self._execution.id, after=self._read):
            found = self._projector.feed(event)
            self._read = event.id
            if event.id > self._after:
                messages += _messages(self._execution.id, found)
        self.done = self._projector.status is not None and self._projector.status.terminal
        return messages

    async def _from_row(self) -> list[ServerSentEvent]:
        """The end of an execution that wrote no last event; see `end_of`."""
        row = await self._deps.executions.get(self._execution.project_id, self._execution.id)
        if row is None or not row.status.terminal:
            return []
        messages = await self._from_history()  # the last events may have come between the two queries
        end = end_of(row, self._read)
        if not self.done and end is not None:
            self.done = True
            messages += _messages(row.id, self._projector.feed(end))
        return messages


def _messages(execution_id: str, found: list[Change]) -> Iterator[ServerSentEvent]:
    """One message a change. Only an event's last message carries its id, so that a client that reconnects after a part
    of them gets all of them again rather than miss some."""
    for number, change in enumerate(found, 1):
        kind = "node" if isinstance(change, NodeChange) else "execution"
        data = _node(change) if isinstance(change, NodeChange) else _execution(change)
        text = orjson.dumps({"execution_id": execution_id, **data, "at": iso(change.at)}).decode()
        yield ServerSentEvent(event=kind, raw_data=text, id=str(change.event_id) if number == len(found) else None)


def _text(execution_id: str, said: AgentText) -> ServerSentEvent:
    """What is said is not kept, so that it has no id to come back to: the node's output has all of it."""
    return ServerSentEvent(event="text", raw_data=orjson.dumps({"execution_id": execution_id, **asdict(said)}).decode())


def _node(change: NodeChange) -> dict[str, Any]:
    run = change.run
    data: dict[str, Any] = {
        "node": run.node,
        "type": run.type,
        "name": run.name,
        "iteration": run.iteration,
        "status": run.status,
        "attempts": run.attempts,
    }
    if run.status.finished and run.output_text is not None:
        data["output"] = run.output
    return data | _given(error=run.error, meta=run.meta, duration_ms=run.duration_ms)


def _execution(change: ExecutionChange) -> dict[str, Any]:
    output = {"output": change.output} if change.output_text is not None else {}
    return {"status": change.status, **output, **_given(error=change.error)}


def _given(**members: Any) -> dict[str, Any]:
    return {key: value for key, value in members.items() if value is not None}
