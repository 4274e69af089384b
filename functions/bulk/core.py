"""One step of a bulk run on AWS: what can be done of it just now. Its machine makes one after another.

What there is to do, the rows say: failed executions to let go on, where that was asked for; inputs to hand to the
queue; running executions to stop, where they are to be cancelled.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any, Protocol

from shared.bulk.feeding import Feeding, feed
from shared.bulk.records import BulkRun
from shared.errors import Conflict
from shared.ids import new_id
from shared.ports import BulkRows, ExecutionStore, Wakes
from shared.repeating import STEP_SECONDS, Answer, Step, at_once, done, later, without_row

_REDRIVEN_AT_ONCE = 50
_STOPPED_AT_ONCE = 1_000


class BulkStep(Step):
    """`retry`: what failed is to go on; those up to the index `after` were asked to."""

    retry: bool = False
    after: int = -1


class Stopper(Protocol):
    async def stop(self, workflow_id: str, execution_id: str, cause: str) -> None:
        """Aborts an execution; one that has ended is left as it is."""


@dataclass(frozen=True, slots=True)
class Deps:
    feeding: Feeding
    rows: BulkRows
    """The same as those that are fed."""
    executions: ExecutionStore
    machines: Stopper
    wakes: Wakes


class Turn:
    """The time that a step has; rests only end it, since waiting costs less outside of a function."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self.rested = False

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._until

    async def rest(self, seconds: float) -> bool:
        """As feeding asks: whether to go on."""
        self.rested = seconds > 0
        return not (self.rested or self.over)


async def step(deps: Deps, wanted: BulkStep) -> dict[str, Any]:
    """Does what can be done just now, for STEP_SECONDS at most; an Answer, and what the next BulkStep is given.

    Raises:
        StoreUnavailable: a store or AWS does not answer; the same step may be made again.
    """
    turn = Turn(STEP_SECONDS)
    bulk = await deps.rows.get(wanted.project_id, wanted.id)
    if bulk is None:
        return {**without_row(wanted.idle)}
    if wanted.retry:
        after = await _redrive(deps, bulk, wanted.after, turn)
        if after is not None:
            return {**at_once(), "after": after}
    now = await _fed(deps, bulk, turn)
    if now.closed:
        return {**await _stopped(deps, now), "retry": False}
    if turn.over and not turn.rested:
        return {**at_once(), "retry": False}
    return {**later(0 if now.submitted > bulk.submitted else wanted.idle), "retry": False}


async def _fed(deps: Deps, bulk: BulkRun, turn: Turn) -> BulkRun:
    """The bulk run after what could be handed over just now was; untouched where somebody else feeds it."""
    feeding = replace(deps.feeding, worker=new_id())
    claimed = None if bulk.closed else await deps.rows.claim(feeding.worker, only=bulk.id)
    if claimed is not None:
        try:
            await feed(feeding, claimed, turn.rest)
        finally:
            await deps.rows.give_back(bulk.id, feeding.worker)
    return await deps.rows.get(bulk.project_id, bulk.id) or bulk


async def _redrive(deps: Deps, bulk: BulkRun, after: int, turn: Turn) -> int | None:
    """Lets those that failed behind the index `after` go on; how far that came, None where all were asked to."""
    while not turn.over:
        now = deps.feeding.clock.now()
        ids = await deps.rows.redrivable(bulk, now, after=after, limit=_REDRIVEN_AT_ONCE)
        await asyncio.gather(*(_go_on(deps, bulk, each) for each in ids))
        if len(ids) < _REDRIVEN_AT_ONCE:
            return None
        after = bulk.index_of(ids[-1])
    return after


async def _go_on(deps: Deps, bulk: BulkRun, execution_id: str) -> None:
    try:
        await deps.executions.request_redrive(bulk.project_id, execution_id, deps.feeding.clock.now())
    except Conflict:  # it goes on already, or Step Functions has forgotten it
        return


async def _stopped(deps: Deps, bulk: BulkRun) -> Answer:
    """Stops those that run and are to be cancelled; `complete` writes down that they ended. Nobody can stop express
    ones, which end within five minutes. Those that never began may have had places that others wait for."""
    if bulk.cancel_requested_at is not None:
        await deps.wakes.look()
    ids = await deps.rows.to_stop(bulk, limit=_STOPPED_AT_ONCE)
    cause = "Cancelled with its bulk run."
    await asyncio.gather(*(deps.machines.stop(bulk.workflow_id, each, cause) for each in ids))
    return done() if len(ids) < _STOPPED_AT_ONCE else later(0)
