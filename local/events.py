"""The local stage's bus: what is published is on disk, then the dispatcher of this process looks at it at once.

Several processes may dispatch from one database: an event is one dispatcher's alone while its lease lasts.
"""

import asyncio
import contextlib
import logging

from functions.event import core as event
from functions.event import replays
from shared.adapters.postgres.events import PostgresEvents
from shared.errors import StoreUnavailable
from shared.ports.events import EventBus
from shared.triggers.events.records import Event, Published

_LOOK_SECONDS = 0.5

log = logging.getLogger(__name__)


class Dispatcher:
    """Shows events to triggers until it is cancelled."""

    def __init__(self, deps: event.Deps, replaying: replays.Deps) -> None:
        self._deps = deps
        self._replaying = replaying
        self._listeners = event.Listeners(deps.triggers)
        self._wanted = asyncio.Event()

    def look(self) -> None:
        """Looks now rather than in half a second."""
        self._wanted.set()

    async def run(self) -> None:
        """Dispatches what waits, again and again; until cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self.drain()
            except StoreUnavailable as error:
                log.warning("events cannot be read; trying again", extra={"reason": error.message})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), _LOOK_SECONDS)

    async def drain(self) -> int:
        """Dispatches all that waits; how many events there were. Raises StoreUnavailable."""
        total = 0
        while True:
            changes = await event.relay(self._deps, self._listeners)
            events = await event.dispatch(self._deps, self._listeners)
            replayed = await replays.step(self._replaying)
            if not changes and not events and not replayed:
                return total
            total += events


class LocalEvents(EventBus):
    """Events reach the dispatcher of this process at once."""

    def __init__(self, events: PostgresEvents) -> None:
        self._events = events
        self._dispatcher: Dispatcher | None = None

    def attach(self, dispatcher: Dispatcher) -> None:
        """The dispatcher of this process."""
        self._dispatcher = dispatcher

    async def publish(self, event: Event) -> Published:
        """Durable once this returns; see EventBus."""
        published = await self._events.publish(event)
        if self._dispatcher is not None and not published.duplicate:
            self._dispatcher.look()
        return published
