"""Bulk runs: what they are, how far they are, and who feeds them to the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.bulk.records import BulkRun
from shared.executions.records import ExecutionStatus
from shared.ports.common import Page


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One input's execution, and what became of it."""

    execution_id: str
    status: ExecutionStatus
    result: Any
    error: dict[str, Any] | None
    started_at: datetime | None
    completed_at: datetime | None


class BulkRuns(Protocol):
    """Their executions are those whose ids lie in the bulk run's range; see shared/bulk/records.py."""

    async def create(self, bulk: BulkRun) -> BulkRun:
        """Keeps a new one; the earlier one of its workflow and idempotency key, where there is one. Raises
        IdempotencyMismatch where that has other inputs."""

    async def get(self, project_id: str, bulk_id: str) -> BulkRun | None: ...

    async def list(
        self, project_id: str, *, workflow_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[BulkRun]:
        """Newest first. Raises InvalidParameter for a bad cursor."""

    async def counts(self, bulk: BulkRun) -> Mapping[ExecutionStatus, int]:
        """How many of its executions have which status."""

    async def items(
        self, bulk: BulkRun, *, statuses: Sequence[ExecutionStatus] = (), after: int = -1, limit: int = 50
    ) -> Sequence[BulkItem]:
        """Those submitted behind the index `after`, in order of their inputs; with `statuses`, only in these."""

    async def claim(self, worker: str, *, only: str | None = None) -> BulkRun | None:
        """One that has something left to do and that nobody feeds, or, if so, the one of the id `only`: `worker` does
        until it gives it back, or does not say anything of it for a minute."""

    async def advance(self, bulk_id: str, worker: str, submitted: int) -> bool:
        """Keeps how far it is. False where `worker` is to stop: it was cancelled, or somebody else feeds it."""

    async def give_back(self, bulk_id: str, worker: str) -> None:
        """Lets others feed it, from now on."""

    async def close(self, bulk_id: str) -> None:
        """Nothing of it is left to be handed to the queue."""

    async def unfinished(self, bulk: BulkRun, *, after: int) -> tuple[int, int | None]:
        """How many of its executions behind the index `after` have not ended, and the index of the first of these."""

    async def request_cancel(self, bulk: BulkRun, at: datetime) -> None:
        """Nothing more of it is handed to the queue, and what has not ended is cancelled. May be said again."""

    async def redrive_failed(self, bulk: BulkRun, at: datetime) -> int:
        """Lets those that failed or timed out go on from where they did; how many did. See
        ExecutionStore.request_redrive for which can."""


class BulkRows(BulkRuns, Protocol):
    """BulkRuns of executions that run elsewhere: their rows are asked what is to be done there."""

    async def reopen(self, bulk_id: str) -> None:
        """Shows it as running, until it is closed; one that was cancelled stays so."""

    async def redrivable_count(self, bulk: BulkRun, at: datetime) -> int:
        """How many `redrive_failed` would let go on."""

    async def redrivable(self, bulk: BulkRun, at: datetime, *, after: int, limit: int) -> Sequence[str]:
        """Ids of these executions, in order of the inputs, behind the index `after`."""

    async def to_stop(self, bulk: BulkRun, *, limit: int) -> Sequence[str]:
        """Ids of its executions that run, that are to be cancelled and that can be stopped: an express one ends by
        itself."""
