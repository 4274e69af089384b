"""Hands the inputs of a bulk run to the queue, as many at a time as the run allows.

Whoever feeds may die at any moment: an item's execution has an id of its own from the start, so handing it over again
changes nothing, and the next one goes on where the row says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count

import orjson

from shared.bulk.records import BulkRun
from shared.clock import Clock
from shared.errors import Gone, QueueFull, WorkflowInactive
from shared.executions.start import Origin, Startable, start
from shared.ports import BlobStore, BulkRuns, StartQueue, WorkflowStore
from shared.triggers.records import TriggerType
from shared.workflow.records import Workflow

_AT_ONCE = 250
_PAUSE_SECONDS = 0.1
_BLOCKED_SECONDS = 2.0

Rest = Callable[[float], Awaitable[bool]]
"""Asked before each batch: for how many seconds nothing can be handed over, 0 where more can. Says whether to go on."""


async def patient(seconds: float) -> bool:
    """Waits, and goes on."""
    await asyncio.sleep(seconds)
    return True


@dataclass(frozen=True, slots=True)
class Feeding:
    """What feeding takes; `worker` names who does it."""

    runs: BulkRuns
    workflows: WorkflowStore
    blobs: BlobStore
    queue: StartQueue
    clock: Clock
    worker: str


async def feed(deps: Feeding, bulk: BulkRun, rest: Rest = patient) -> None:
    """Feeds a bulk run that was claimed until every input is with the queue, it is cancelled, another took it over, or
    `rest` says so.

    While the workflow is paused, the queue is full, or as many are unfinished as may, it rests. Raises
    StoreUnavailable.
    """
    if bulk.cancel_requested_at is None:
        lines = (await deps.blobs.get(bulk.inputs_key) or b"").splitlines()
        if await _submit_all(deps, bulk, lines, rest):
            await deps.runs.close(bulk.id)
            return
    now = await deps.runs.get(bulk.project_id, bulk.id)
    if now is not None and now.cancel_requested_at is not None:
        # What was handed over since the cancel was asked for has not heard of it.
        await deps.runs.request_cancel(now, now.cancel_requested_at)
        await deps.runs.close(now.id)


async def _submit_all(deps: Feeding, bulk: BulkRun, lines: Sequence[bytes], rest: Rest) -> bool:
    """Whether all are submitted; False where feeding has to stop."""
    position, floor, pause = bulk.submitted, -1, 0.0
    while position < bulk.total and await rest(pause):
        unfinished, first = await deps.runs.unfinished(bulk, after=floor)
        floor = position - 1 if first is None else first - 1
        # Asked after counting: the room that a cancel made is not for more of it.
        if not await deps.runs.advance(bulk.id, deps.worker, position):
            return False
        room = min(bulk.max_in_flight - unfinished, _AT_ONCE)
        taken = await _submit(deps, bulk, position, lines[position : position + room]) if room > 0 else 0
        position += max(taken, 0)
        pause = 0.0 if taken > 0 else _PAUSE_SECONDS if taken == 0 else _BLOCKED_SECONDS
    return await deps.runs.advance(bulk.id, deps.worker, position) and position == bulk.total


async def _submit(deps: Feeding, bulk: BulkRun, position: int, lines: Sequence[bytes]) -> int:
    """How many were taken: all, or -1 where nothing is taken in at the moment."""
    workflow = await deps.workflows.get(bulk.project_id, bulk.workflow_id)
    if workflow is None:
        return -1
    target = _target(bulk, workflow)
    origins = (_origin(bulk, index) for index in count(position))
    starts = (
        start(target, orjson.loads(line), origin, queue=deps.queue, clock=deps.clock)
        for line, origin in zip(lines, origins, strict=False)
    )
    results = await asyncio.gather(*starts, return_exceptions=True)
    for error in (each for each in results if isinstance(each, BaseException)):
        if isinstance(error, Gone):
            await deps.runs.request_cancel(bulk, deps.clock.now())
        if isinstance(error, Gone | QueueFull | WorkflowInactive):
            return -1
        raise error
    return len(lines)


def _target(bulk: BulkRun, workflow: Workflow) -> Startable:
    """The version that was newest when the run was made; its schema was asked then."""
    return Startable(workflow.project_id, workflow.id, workflow.name, workflow.status, bulk.version, None)


def _origin(bulk: BulkRun, index: int) -> Origin:
    return Origin(
        trigger={"type": TriggerType.MANUAL.value, "bulk_id": bulk.id, "index": index},
        correlation_id=bulk.correlation_id,
        priority=bulk.priority,
        execution_id=bulk.item_id(index),
    )
