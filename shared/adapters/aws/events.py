"""The project's event bus on AWS: nobody shows its events to triggers there yet, so none is taken in."""

from typing import Any

from shared.errors import NotImplementedYet
from shared.ports.events import EventBus, EventReplays
from shared.triggers.events.records import Event, Published
from shared.triggers.events.replays import Replay


class NoEvents(EventBus):
    """Refuses every event."""

    async def publish(self, event: Event) -> Published:
        """Raises NotImplementedYet."""
        del event
        raise NotImplementedYet("The event bus does not run on AWS yet; it runs on the local stage.")


class NoReplays:
    """Reads as `rows` does, and refuses new ones."""

    def __init__(self, rows: EventReplays) -> None:
        self._rows = rows

    async def create(self, replay: Replay) -> Replay:
        """Raises NotImplementedYet."""
        del replay
        raise NotImplementedYet("Events are not replayed on AWS yet; they are on the local stage.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)
