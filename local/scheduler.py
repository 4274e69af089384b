"""Fires the triggers that go by the clock: claims what is due, and lets the function of its type do the work.

Several processes may run this on one database: a claim is one process's alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.ports import ClaimedTrigger, TriggerStates
from shared.triggers.records import TriggerType

MAX_AT_ONCE = 50
"""Triggers of one type that one process holds: a slow source keeps others waiting only beyond that."""

_LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timed:
    """How triggers of one type are run. `advance` does what is due of one, and gives the claim back; a process that
    holds one for longer than `lease` counts as dead."""

    advance: Callable[[ClaimedTrigger], Awaitable[object]]
    lease: timedelta


class Scheduler:
    """The loop of the local stage."""

    def __init__(self, *, states: TriggerStates, types: Mapping[TriggerType, Timed], clock: Clock) -> None:
        self._states = states
        self._types = types
        self._clock = clock
        self._held = dict.fromkeys(types, 0)

    async def run(self) -> None:
        """Looks again and again, without waiting for what it began; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    for kind in self._types:
                        for claimed in await self._claim(kind):
                            tasks.create_task(self._advance(claimed))
                except StoreUnavailable as error:
                    log.warning("triggers cannot be read; trying again", extra={"reason": error.message})
                await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> int:
        """Advances every trigger that is due, and waits for them; how many there were. Raises StoreUnavailable."""
        total = 0
        for kind in self._types:
            while claimed := await self._claim(kind):
                total += len(claimed)
                await asyncio.gather(*(self._advance(each) for each in claimed))
        return total

    async def _claim(self, kind: TriggerType) -> list[ClaimedTrigger]:
        room = MAX_AT_ONCE - self._held[kind]
        if room <= 0:
            return []
        claimed = await self._states.claim(kind, self._clock.now(), lease=self._types[kind].lease, limit=room)
        self._held[kind] += len(claimed)
        return list(claimed)

    async def _advance(self, claimed: ClaimedTrigger) -> None:
        """A trigger that fails keeps its claim until the lease runs out: it does not keep others waiting."""
        kind = claimed.trigger.type
        ids = {"trigger_id": claimed.trigger.id, "workflow_id": claimed.trigger.workflow_id}
        try:
            await self._types[kind].advance(claimed)
        except StoreUnavailable as error:
            log.warning("trigger interrupted by the store", extra={**ids, "reason": error.message})
        except Exception:
            log.exception("trigger failed inside the platform", extra=ids)
        finally:
            self._held[kind] -= 1
