"""The JSON shapes of the REST API, as a client sees them. The server's own models are in functions/api."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar

Item = TypeVar("Item")

DEFAULT_URL = "http://127.0.0.1:8000"

TERMINAL = frozenset({"succeeded", "failed", "timed_out", "cancelled"})
"""The statuses of an execution that has ended."""


class Diagnostic(TypedDict):
    """One mistake in a definition or an input; see shared.errors.Diagnostic."""

    code: str
    path: str
    message: str
    node: NotRequired[str]
    fix: NotRequired[str]
    position: NotRequired[int]
    severity: NotRequired[str]


class Failure(TypedDict):
    """Why a node or an execution failed, as Step Functions reports it."""

    name: str
    cause: str


class Workflow(TypedDict):
    id: str
    project_id: str
    name: str
    description: str
    status: str
    version: int
    definition: dict[str, Any]
    created_at: str
    updated_at: str
    warnings: NotRequired[list[Diagnostic]]


class NodeRun(TypedDict):
    """One run of one node. Times are RFC 3339, durations milliseconds."""

    node: str
    name: str | None
    type: str
    iteration: int | None
    status: str
    attempts: int
    input: Any
    output: Any
    error: Failure | None
    meta: dict[str, Any] | None
    started_at: str | None
    completed_at: str | None
    duration_ms: float | None


class Execution(TypedDict):
    """One execution; lists leave out `input`, `output`, `context` and `nodes`."""

    id: str
    project_id: str
    workflow_id: str
    workflow_name: str
    version: int
    status: str
    trigger: dict[str, Any] | None
    correlation_id: str
    error: Failure | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    duration_ms: float | None
    context: NotRequired[dict[str, Any]]
    input: NotRequired[Any]
    output: NotRequired[Any]
    nodes: NotRequired[list[NodeRun]]


class Started(TypedDict):
    """The answer to a start. With `duplicate` the id is that of the execution that the key started earlier."""

    execution_id: str
    status: str
    duplicate: bool


class LogLine(TypedDict):
    id: str
    timestamp: str
    level: str
    node: str | None
    message: str
    execution_id: str
    correlation_id: str
    data: dict[str, Any] | None


class Webhook(TypedDict):
    path: str
    url: str
    has_secret: bool


class Trigger(TypedDict):
    id: str
    workflow_id: str
    type: str
    config: dict[str, Any]
    is_active: bool
    created_at: str
    updated_at: str
    webhook: Webhook | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list; `next_cursor` is None on the last."""

    items: list[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One move of a watched execution: of a node (`data` holds the NodeRun's fields) or of the execution itself; or a
    piece of what an agent says."""

    id: str
    """The history event that it comes from; where a broken watch takes up again. Empty for text, which is not kept."""
    kind: Literal["node", "execution", "text"]
    data: dict[str, Any]

    @property
    def final(self) -> bool:
        """Whether the execution has ended with this."""
        return self.kind == "execution" and self.data.get("status") in TERMINAL


class BulkInputs(NamedTuple):
    """The inputs of a bulk run: what is sent, or the key of the project's object that holds them."""

    data: bytes = b""
    media_type: str = "application/json"
    object_key: str | None = None
