"""Fires the triggers that go by the clock: claims what is due, and lets the function of its type do the work.

Several processes may run this on one database: a claim is one process's alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.ports import ClaimedTrigger, TriggerStates
from shared.triggers.records import TriggerType

LEASE = timedelta(seconds=30)
"""After so long a process that holds a trigger counts as dead."""

_LOOK_SECONDS = 0.5
_BATCH = 10

Advance = Callable[[ClaimedTrigger], Awaitable[object]]
"""Does what is due of a claimed trigger, and gives the claim back."""

log = logging.getLogger(__name__)


class Scheduler:
    """The loop of the local stage; `look` is one turn of it."""

    def __init__(self, *, states: TriggerStates, advance: Mapping[TriggerType, Advance], clock: Clock) -> None:
        self._states = states
        self._advance = advance
        self._clock = clock

    async def run(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("triggers cannot be read; trying again", extra={"reason": error.message})
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> int:
        """Advances every trigger that is due; how many there were. Raises StoreUnavailable."""
        return sum([await self._look_at(kind) for kind in self._advance])

    async def _look_at(self, kind: TriggerType) -> int:
        total = 0
        while claimed := await self._states.claim(kind, self._clock.now(), lease=LEASE, limit=_BATCH):
            total += len(claimed)
            await asyncio.gather(*(self._advance_one(each) for each in claimed))
        return total

    async def _advance_one(self, claimed: ClaimedTrigger) -> None:
        """A trigger that fails keeps its claim until the lease runs out: it does not keep others waiting."""
        ids = {"trigger_id": claimed.trigger.id, "workflow_id": claimed.trigger.workflow_id}
        try:
            await self._advance[claimed.trigger.type](claimed)
        except StoreUnavailable as error:
            log.warning("trigger interrupted by the store", extra={**ids, "reason": error.message})
        except Exception:
            log.exception("trigger failed inside the platform", extra=ids)
