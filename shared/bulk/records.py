"""A bulk run: one workflow started once for each of a list of inputs.

Its executions have ids that follow from its own, so that they are one range of the table of executions: nothing has to
be stored for an item before it starts, starting it twice is impossible, and its result is found by arithmetic.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.executions.records import Priority
from shared.ids import new_id

_INDEX_BITS = 17

MAX_ITEMS = 100_000
"""Fewer than 2 to the power of _INDEX_BITS."""

MAX_BYTES = 10 * 1024 * 1024
"""Of the inputs together. API Gateway takes no larger request.
Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""

MAX_IN_FLIGHT = 1_000
DEFAULT_IN_FLIGHT = 200


@dataclass(frozen=True, slots=True)
class BulkRun:
    id: str
    project_id: str
    workflow_id: str
    version: int
    total: int
    """How many inputs there are."""
    submitted: int
    """How many of them, from the first on, were handed to the queue."""
    max_in_flight: int
    """How many of its executions may be unfinished at once."""
    priority: Priority
    correlation_id: str
    created_at: datetime
    cancel_requested_at: datetime | None = None
    closed: bool = False
    """Whether nothing is left to hand to the queue."""
    idempotency_key: str | None = None
    request_digest: str | None = None
    """SHA-256 of the inputs, to tell a repeated request from another one under the same key."""

    def item_id(self, index: int) -> str:
        """The id of the execution of the input at `index`, counted from 0."""
        return str(UUID(int=UUID(self.id).int + 1 + index))

    def index_of(self, execution_id: str) -> int:
        """The place of the input of one of its executions."""
        return UUID(execution_id).int - UUID(self.id).int - 1

    @property
    def inputs_key(self) -> str:
        """Where its inputs are kept, as lines of JSON."""
        return f"{self.project_id}/bulk/{self.id}/inputs.jsonl"


def new_bulk_id() -> str:
    """A fresh UUIDv7 whose lowest bits are 0: those of the items count up from it. 57 random bits are left, and the
    time in milliseconds."""
    return str(UUID(int=UUID(new_id()).int >> _INDEX_BITS << _INDEX_BITS))
