"""What happens to an event that EventBridge's rule hands over: it is kept, then seen by the triggers that want it.

The rule takes every event of the bus, and the triggers' patterns are asked here, by the same code as on the local
stage: docs/adr has the reasons. An event that comes twice is kept once. What could not be shown to all triggers stays
in the database's queue of events, and this raises, so that whoever called comes back for it.
"""

import asyncio
from dataclasses import dataclass

from functions.event import core
from shared.errors import IdempotencyMismatch, StoreUnavailable
from shared.ports.events import EventBus
from shared.triggers.events.records import OWN_SOURCES, Event


@dataclass(frozen=True, slots=True)
class Deps:
    bus: EventBus
    """Where events are kept, not where they are published."""
    dispatching: core.Deps


class Arrivals:
    """One for the life of a process: it remembers the triggers."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._listeners = core.Listeners(deps.dispatching.triggers)
        self._one_at_a_time = asyncio.Lock()

    async def keep(self, event: Event) -> None:
        """Keeps the event until all triggers have seen it; the platform's own ones only where a trigger of the project
        listens at all. One whose id came before with another content is dropped: its publisher broke its word.

        Raises:
            StoreUnavailable: it is not known whether it was kept.
        """
        async with self._one_at_a_time:
            await self._listeners.refresh()
        if event.document["source"].startswith(OWN_SOURCES) and not self._listeners.listens(event.project_id):
            return
        try:
            await self._deps.bus.publish(event)
        except IdempotencyMismatch as error:
            core.log.warning("an event was dropped", extra={"event_id": event.id, "reason": error.message})

    async def show(self) -> None:
        """Shows all that waits to the triggers.

        Raises:
            StoreUnavailable: something still waits; call this again later.
        """
        async with self._one_at_a_time:
            await self._show()

    async def _show(self) -> None:
        deps = self._deps.dispatching
        await core.relay(deps, self._listeners)
        while (looked := await core.look(deps, self._listeners)).claimed:
            if looked.left:
                raise StoreUnavailable(f"{looked.left} events could not be shown to all triggers; they wait.")
