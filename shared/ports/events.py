"""The project's event bus."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.ports.common import Page
from shared.triggers.dead_letters import DeadLetter, LetterStatus, Stage, Undelivered
from shared.triggers.events.lifecycle import Change
from shared.triggers.events.records import Event, Published
from shared.triggers.events.replays import Replay
from shared.triggers.records import Trigger


class EventBus(Protocol):
    async def publish(self, event: Event) -> Published:
        """Takes the event; durable once this returns, and seen by every trigger that wants it. An id that came before
        with the same content is a duplicate. Calls that arrive together share one commit.

        Raises:
            IdempotencyMismatch: an event of this id said something else.
            StoreUnavailable: whether it was taken is unknown; the same id may be sent again.
        """


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    event: Event
    attempts: int
    """How often it was claimed, this time included."""


class EventQueue(Protocol):
    """The dispatcher's side of the bus."""

    async def claim(self, now: datetime, *, lease: timedelta, limit: int) -> Sequence[ClaimedEvent]:
        """Events that no trigger has seen yet and that no live dispatcher holds, the oldest first."""

    async def finish(self, events: Sequence[Event], undelivered: Sequence[Undelivered], now: datetime) -> None:
        """The events have been seen by all who want them; what failed becomes dead letters in the same transaction."""


class EventTriggers(Protocol):
    async def stamp(self) -> Any:
        """Changes whenever one of `active` was added, changed or removed."""

    async def active(self) -> Sequence[Trigger]:
        """Active event triggers of active workflows, of all projects."""


class LifecycleOutbox(Protocol):
    """Executions that began or ended, noted in the transaction in which they did."""

    async def relay(
        self, make: Callable[[Change], Event], is_wanted: Callable[[Event], bool], *, limit: int = 200
    ) -> int:
        """Publishes the events of up to `limit` changes; how many changes there were. All events are kept; triggers
        see those that are wanted. Raises StoreUnavailable."""


class EventArchive(Protocol):
    """Events that were published."""

    async def list(self, project_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Event]:
        """Newest first. Raises InvalidParameter for a bad cursor."""

    async def between(
        self, project_id: str, since: datetime, until: datetime, *, after: str | None, limit: int
    ) -> Sequence[Event]:
        """Events that were taken in from `since` until before `until`, with a key above `after`, oldest first."""

    async def prune(self, before: datetime, *, limit: int = 10_000) -> int:
        """Removes events that were taken in before, except those that triggers have yet to see; how many."""


class EventReplays(Protocol):
    async def create(self, replay: Replay) -> Replay:
        """Keeps the replay, or gives the one of this name that says the same. Raises Conflict where it says
        something else."""

    async def get(self, project_id: str, replay_id: str) -> Replay | None: ...

    async def list(self, project_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Replay]:
        """Newest first. Raises InvalidParameter for a bad cursor."""

    async def cancel(self, project_id: str, replay_id: str, at: datetime) -> None:
        """One that runs stops at its next page."""

    async def claim(self, now: datetime, *, lease: timedelta, only: str | None = None) -> Replay | None:
        """A running replay that no live process holds; the oldest first, or, if so, the one of the id `only`."""

    async def advance(self, replay: Replay, undelivered: Sequence[Undelivered], now: datetime) -> None:
        """Keeps how far the claimed replay got, with what failed, in one transaction, and gives it back."""


class DeadLetters(Protocol):
    async def list(
        self,
        project_id: str,
        *,
        status: LetterStatus | None = None,
        trigger_id: str | None = None,
        workflow_id: str | None = None,
        stage: Stage | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[DeadLetter]:
        """Newest first. Raises InvalidParameter for a bad cursor."""

    async def get(self, project_id: str, letter_id: str) -> DeadLetter | None: ...

    async def waiting(self, project_id: str) -> Mapping[Stage, int]:
        """How many wait, by where they failed; stages without any are left out."""

    async def settle(self, letter: DeadLetter) -> bool:
        """Stores status, reason, attempts and execution. False where it does not wait any more."""
