"""Triggers that fire by the clock: who runs them now, and what they remember."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.triggers.records import Trigger, TriggerType

if TYPE_CHECKING:
    from shared.triggers.dead_letters import Undelivered  # the node functions go without it


@dataclass(frozen=True, slots=True)
class TriggerState:
    """What a trigger remembers: a document of its type's own, and when it has to be looked at again."""

    document: dict[str, Any]
    due_at: datetime | None
    """None where nothing is to come."""


@dataclass(frozen=True, slots=True)
class ClaimedTrigger:
    """An active trigger that is due, and this process's alone until `token` is given back or its lease runs out."""

    trigger: Trigger
    token: str
    state: TriggerState | None
    """None before the first look."""
    changed: bool
    """Whether the trigger is new, or was changed or resumed, since `state` was kept."""


class TriggerStates(Protocol):
    async def claim(
        self, kind: TriggerType, now: datetime, *, lease: timedelta, limit: int = 10, only: str | None = None
    ) -> Sequence[ClaimedTrigger]:
        """Active triggers of `kind` (with `only`, that one) that are due, new or changed, and that no other process
        holds; the longest due first. Triggers of deleted workflows are left out. Raises StoreUnavailable."""

    async def keep(
        self,
        claimed: ClaimedTrigger,
        state: TriggerState,
        now: datetime,
        *,
        hold: bool = False,
        undelivered: Sequence["Undelivered"] = (),
        paused: str | None = None,
    ) -> bool:
        """Keeps what the trigger remembers now, and gives it back unless this process is to `hold` it.

        In the same transaction `undelivered` become dead letters, and the trigger is switched off where it is `paused`
        for that reason, which the event `trigger.paused` tells. False where the lease ran out and another process took
        it: nothing is kept then.
        """

    async def get(self, project_id: str, trigger_id: str) -> TriggerState | None:
        """What the trigger remembers; None before the first look."""


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    execution_id: str
    idempotency_key: str | None


class TriggerRuns(Protocol):
    """Executions by the trigger that started them."""

    async def find(self, workflow_id: str, idempotency_key: str) -> str | None:
        """The execution that was started under the key."""

    async def unfinished(self, project_id: str, trigger_id: str, limit: int = 100) -> Sequence[UnfinishedRun]:
        """Executions that the trigger started and that have not ended, oldest first."""


class PollSources(Protocol):
    """Keeps requests to one source apart, whichever trigger and process makes them."""

    async def reserve(self, project_id: str, source: str, now: datetime, spacing: timedelta) -> datetime | None:
        """None where a request may be made now, and the next one `spacing` later; else when to ask again."""
