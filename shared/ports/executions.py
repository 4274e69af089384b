"""Executions: taking them in, running them, reading them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.executions.records import (
    Accepted,
    Execution,
    ExecutionStatus,
    HistoryEvent,
    StartRequest,
    StatusChange,
    TaskCompletion,
)
from shared.ports.common import Page


class ExecutionStore(Protocol):
    async def get(self, project_id: str, execution_id: str) -> Execution | None: ...

    async def list(
        self,
        project_id: str,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        """Newest first, without `input` and `result` (None): a list stays small."""

    async def history(self, execution_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[HistoryEvent]:
        """Events with an id above `after`, in order."""

    async def request_redrive(self, project_id: str, execution_id: str, at: datetime) -> ExecutionStatus | None:
        """Lets an execution that ended without success go on from where it failed. The status that it had, or None
        where there is no such execution.

        Raises:
            Conflict: it succeeded or is unfinished, is express, ended more than 14 days ago, or has too long a history.
        """

    async def request_cancel(self, project_id: str, execution_id: str, at: datetime) -> ExecutionStatus | None:
        """Marks an unfinished execution to be cancelled; a queued one is cancelled at once. The status that it had,
        or None where there is no such execution."""


class StartQueue(Protocol):
    async def submit(self, request: StartRequest) -> Accepted:
        """Takes the request; durable once this returns. The same idempotency key within a workflow starts nothing
        twice.

        Raises:
            IdempotencyMismatch: the key came earlier with another input.
            StoreUnavailable: nothing was taken.
        """


class Completions(Protocol):
    async def wait(self, execution_id: str, seconds: float) -> StatusChange | None:
        """The terminal change of an execution that was just accepted; None where it does not end within `seconds`, or
        where it cannot be told from here."""


@dataclass(frozen=True, slots=True)
class PendingExecution:
    """An accepted, unfinished execution, with what is needed to run it or to take it up again."""

    request: StartRequest
    status: ExecutionStatus
    cancel_requested: bool
    history: Sequence[HistoryEvent]
    completions: Sequence[TaskCompletion] = ()
    """In the order in which they came; those of tasks that have ended since may be among them."""
    redrive: bool = False
    """Whether a finished execution was asked to go on from where it failed, and has not begun to."""
    attempts: int = 0
    """How many workers died with it since its history last grew."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What running executions have to hear of."""

    cancelled: Sequence[str]
    """Those to be cancelled."""
    lost: Sequence[str]
    """Those that another worker has taken up, because this one let its lease run out."""
    completions: Sequence[TaskCompletion]
    """In the order in which they happened; a worker may hear of one twice."""


class Backlog(Protocol):
    """The worker's side of the queue."""

    async def reclaim(self, worker: str) -> None:
        """Lets what earlier lives of this worker left be claimed at once. A worker is named `<base>/<life>`."""

    async def claim(self, limit: int, worker: str, exclude: Sequence[str] = ()) -> Sequence[PendingExecution]:
        """Up to `limit` unfinished executions that are due and that no live worker holds: those of high priority
        first, then those that have waited longest."""

    async def signals(self, execution_ids: Sequence[str], worker: str) -> Signals:
        """What the given running executions have to hear of. Renews the leases of all given."""

    async def park(self, parked: Sequence[tuple[str, datetime | None]], worker: str) -> None:
        """Gives executions back until the given time, or until something happens to them; nothing that happened
        meanwhile is missed."""

    async def release(self, execution_ids: Sequence[str], worker: str) -> None:
        """Gives executions back as they are; anybody may go on with them at once."""


class Admission(Protocol):
    """Lets accepted executions begin that have to wait for others of their workflow or project to end."""

    async def admit(self) -> int:
        """Admits those for which there is room, those of high priority first, then the oldest; how many."""


class Wakes(Protocol):
    """Has somebody look whether something may begin, on a stage where nobody looks by himself."""

    async def look(self, at: datetime | None = None) -> None:
        """Durable once this returns: somebody looks soon, or at the time. Raises StoreUnavailable."""

    async def look_at_schedule(
        self, project_id: str, trigger_id: str, fire_time: datetime | None = None, at: datetime | None = None
    ) -> None:
        """As `look`, for what waits of one schedule. At `at` comes the `fire_time` that was put off until then."""


class Journal(Protocol):
    async def write(
        self,
        execution_id: str,
        project_id: str,
        events: Sequence[HistoryEvent],
        change: StatusChange | None = None,
        completes: TaskCompletion | None = None,
    ) -> None:
        """Appends events, applies the change and submits the completion in one transaction; durable once this returns.
        Calls that arrive together share one commit. Raises LeaseLost where another worker has written events with
        these numbers, and StoreUnavailable; the same write may be tried again.

        `completes` is the task of another execution that ends with this one. Events may be of an execution without a
        row of its own: the child executions of a distributed Map, and the ledger of its Map Run."""


class TaskCompletions(Protocol):
    """Takes what the world outside says about tasks that wait for it."""

    async def submit(self, completion: TaskCompletion) -> bool:
        """Durable once this returns, and handed to the execution that waits, also where it was put aside.

        The first that succeeds or fails a token counts: False where it came too late, because the token was completed
        before or the execution has ended. Whether a task still waits for the token is only known to its execution,
        which ignores what comes too late. Raises StoreUnavailable."""


class Histories(Protocol):
    """Reads what a journal wrote."""

    async def history(self, execution_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[HistoryEvent]:
        """Events with an id above `after`, in order; none where nothing was written."""


@dataclass(frozen=True, slots=True)
class AgentText:
    """A piece of what an agent's model says just now. `offset` counts characters; at 0 a turn begins, perhaps anew."""

    node: str
    iteration: list[int]
    turn: int
    offset: int
    text: str


class LiveFeed(Protocol):
    """Tells watchers that an execution moved on; the history says how. May lose a message, never invents one."""

    async def publish(self, execution_ids: Sequence[str]) -> None: ...

    async def say(self, execution_id: str, said: AgentText) -> None:
        """Tells watchers what an agent says, in the order of the calls."""

    def watch(self, execution_id: str) -> AsyncIterator[Sequence[AgentText]]:
        """Yields once when watching has begun, then after each move, and at least once a second: what agents said. May
        end before the execution, where an answer cannot last as long; whoever watches comes back."""
