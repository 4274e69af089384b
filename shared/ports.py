"""What the domain needs of the world. Adapters implement these; one contract suite holds every implementation.

Terms:
  store     keeps rows of one kind, for one project at a time
  queue     takes accepted start requests; durable once `submit` returns
  journal   takes the events of running executions, in batches
  runner    does the work of Task states
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from shared.connections.records import Connection
from shared.executions.records import (
    Accepted,
    Execution,
    ExecutionStatus,
    HistoryEvent,
    StartRequest,
    StatusChange,
    TaskCompletion,
)
from shared.triggers.records import Trigger, WebhookRegistration, WebhookTarget
from shared.workflow.records import Workflow, WorkflowStatus, WorkflowVersion

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next_cursor` is None on the last."""

    items: Sequence[T]
    next_cursor: str | None


class WorkflowStore(Protocol):
    async def create(self, workflow: Workflow, version: WorkflowVersion) -> None:
        """Keeps a new workflow with its version 1. Raises NameTaken."""

    async def get(self, project_id: str, workflow_id: str) -> Workflow | None:
        """The workflow, deleted ones included."""

    async def find(self, project_id: str, name: str) -> Workflow | None:
        """The workflow of this name that is not deleted."""

    async def list(
        self, project_id: str, *, status: WorkflowStatus | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Workflow]:
        """Newest first; deleted ones only when asked for. Raises InvalidParameter for a bad cursor."""

    async def update(self, workflow: Workflow, version: WorkflowVersion | None) -> None:
        """Stores the fields of `workflow` except its status, and adds `version` in the same transaction.

        Raises NameTaken, and Conflict where it was changed or deleted since it was read."""

    async def set_status(self, project_id: str, workflow_id: str, status: WorkflowStatus, at: datetime) -> None:
        """Moves a workflow to `status`. Raises Conflict where it was deleted meanwhile."""

    async def version(self, workflow_id: str, version: int) -> WorkflowVersion | None:
        """One compiled version. Not filtered by project: the interpreter asks for what a start request named."""


class TriggerStore(Protocol):
    async def create(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None:
        """Keeps both in one transaction. Raises Conflict where the webhook's path is taken."""

    async def get(self, project_id: str, trigger_id: str) -> Trigger | None: ...

    async def list(self, project_id: str, workflow_id: str) -> Sequence[Trigger]: ...

    async def update(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None: ...

    async def delete(self, project_id: str, trigger_id: str) -> None: ...

    async def webhooks(
        self, project_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WebhookRegistration]: ...

    async def webhook_of(self, project_id: str, trigger_id: str) -> WebhookRegistration | None: ...

    async def target(self, path: str) -> WebhookTarget | None:
        """What a delivery to `path` would start, deleted and paused workflows included; one indexed query."""


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


class Backlog(Protocol):
    """The worker's side of the queue."""

    async def claim(self, limit: int, worker: str, exclude: Sequence[str] = ()) -> Sequence[PendingExecution]:
        """Up to `limit` unfinished executions that no live worker holds, oldest first."""

    async def cancelled(self, execution_ids: Sequence[str]) -> Sequence[str]:
        """Those of the given running executions for which a cancel was requested. Renews the leases of all given."""


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
        Calls that arrive together share one commit. An event that is already there is not doubled.

        `completes` is the task of another execution that ends with this one. Events may be of an execution without a
        row of its own: the child executions of a distributed Map, and the ledger of its Map Run."""


class Histories(Protocol):
    """Reads what a journal wrote."""

    async def history(self, execution_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[HistoryEvent]:
        """Events with an id above `after`, in order; none where nothing was written."""


@dataclass(frozen=True, slots=True)
class TaskCall:
    """One attempt of a Task state."""

    execution_id: str
    project_id: str
    state: str
    resource: str
    """`arn:aws:states:::lambda:invoke`, …"""
    arguments: Any
    attempt: int
    """Counts from 0, as `$states.context.State.RetryCount` does."""
    task_token: str | None = None
    """Given where the state waits to be completed from outside: `.waitForTaskToken` and `.sync:2`."""


class TaskFailed(Exception):
    """A Task's work failed, as ASL sees it: an error name for `Retry` and `Catch`, and a cause in words."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class TaskRunner(Protocol):
    async def run(self, call: TaskCall) -> Any:
        """The task's result, as the resource of AWS would give it (`{"Payload": …, "StatusCode": 200}` of
        `lambda:invoke`). Raises TaskFailed. Cancellation stops the work.

        Where `call.task_token` is given, the result only says that the work was handed over; the task ends by a
        TaskCompletion of that token."""

    async def stop(self, call: TaskCall) -> None:
        """A task that waits to be completed from outside was given up: stops what can be stopped (the nested
        execution of `.sync:2`). Called at least once; never raises."""


class LiveFeed(Protocol):
    """Tells watchers that an execution moved on; the history says how. May lose a message, never invents one."""

    async def publish(self, execution_ids: Sequence[str]) -> None: ...

    def watch(self, execution_id: str) -> AsyncIterator[None]:
        """Yields once when watching has begun, then after each move, and at least once a second."""


@dataclass(frozen=True, slots=True)
class AgentTurnRecord:
    """A finished turn of an agent: the messages that it added, what it gave, and what it took."""

    number: int
    messages: list[Any]
    output: dict[str, Any]
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AgentRun:
    """One run of an agent node. `iteration` are the indices of the loops around it (`0-3`; empty outside of loops)."""

    project_id: str
    execution_id: str
    node: str
    iteration: str = ""


class AgentTurns(Protocol):
    """Finished turns of agents: none is ever taken twice."""

    async def finished(self, run: AgentRun) -> Sequence[AgentTurnRecord]:
        """In order. Raises StoreUnavailable."""

    async def keep(self, run: AgentRun, turn: AgentTurnRecord) -> AgentTurnRecord:
        """Keeps a turn, and gives the one that is kept: the first of this number. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class MemoryKey:
    """Whose memory: that of one node of one workflow, under a key of the author's choice."""

    project_id: str
    workflow_id: str
    node: str
    key: str


class AgentMemory(Protocol):
    """What agents remember between executions."""

    async def recall(self, key: MemoryKey, window: int) -> list[Any]:
        """The newest `window` messages, oldest first. Raises StoreUnavailable."""

    async def remember(self, key: MemoryKey, execution_id: str, messages: list[Any]) -> None:
        """Adds messages, once for each execution however often it is asked to. Raises StoreUnavailable."""


class ConnectionStore(Protocol):
    async def create(self, connection: Connection) -> None:
        """Raises Conflict where another one has this name."""

    async def get(self, project_id: str, connection_id: str) -> Connection | None: ...

    async def find(self, project_id: str, name: str) -> Connection | None: ...

    async def list(self, project_id: str) -> Sequence[Connection]:
        """By name."""

    async def update(self, connection: Connection) -> None:
        """Raises Conflict where another one has this name."""

    async def delete(self, project_id: str, connection_id: str) -> None: ...


class BlobStore(Protocol):
    """Keeps bytes under keys; what is there is never changed."""

    async def put(self, key: str, data: bytes) -> None:
        """Durable once this returns. Raises StoreUnavailable."""

    async def get(self, key: str) -> bytes | None:
        """None where there is nothing. Raises StoreUnavailable."""

    async def delete(self, prefix: str) -> None:
        """Removes every key that begins with `prefix`. Raises StoreUnavailable."""


class ResultCache(Protocol):
    """Results of earlier node calls. May forget at any time; a cache that does not answer has nothing."""

    async def get(self, key: str) -> Any | None: ...

    async def put(self, key: str, value: Any, ttl_seconds: int) -> None: ...


class SecretBox(Protocol):
    def encrypt(self, plain: str) -> bytes: ...

    def decrypt(self, sealed: bytes) -> str:
        """Raises ConfigInvalid where no key fits."""
