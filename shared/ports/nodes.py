"""What the functions of nodes keep."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from shared.workflow.node_call import NodeCall


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
        """Keeps a turn, and gives the one that is kept: the first of this number. What the one that is kept took counts
        against the project's quotas. Raises StoreUnavailable."""

    async def ensure_room(self, project_id: str) -> None:
        """Raises ModelQuotaUsedUp where the project's agents have used up today's tokens or dollars (UTC), and
        StoreUnavailable."""


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


@dataclass(slots=True)
class Observation:
    """What came of a model's or a tool's call; whoever makes the call fills it in. `usage` in tokens."""

    output: Any = None
    model: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    cost_usd: float | None = None


class Tracing(Protocol):
    """Tells a monitor of language models about calls, and never makes one fail or wait."""

    def observe(
        self, kind: Literal["model", "tool"], call: "NodeCall", name: str, given: Any
    ) -> AbstractContextManager[Observation]:
        """The call is made inside; an exception is observed and passes."""

    def flush(self) -> None:
        """Sends what waits to be sent, and returns then; where the monitor does not answer, late."""

    def close(self) -> None:
        """Sends what waits to be sent, for a few seconds at most."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    key: str
    bytes: int
    modified_at: datetime


class BlobStore(Protocol):
    """Keeps bytes under keys."""

    async def put(self, key: str, data: bytes) -> None:
        """Durable once this returns. Raises StoreUnavailable."""

    async def get(self, key: str) -> bytes | None:
        """None where there is nothing. Raises StoreUnavailable."""

    async def link(self, key: str) -> str | None:
        """A URL from which whoever has it gets the blob, for some minutes; None where the store gives none."""

    async def list(self, prefix: str, limit: int) -> Sequence[BlobInfo]:
        """Those whose key begins with `prefix` (whole path segments), by key. Raises StoreUnavailable."""

    async def delete(self, prefix: str) -> None:
        """Removes every key that begins with `prefix`. Raises StoreUnavailable."""


class ResultCache(Protocol):
    """Results of earlier node calls. May forget at any time; a cache that does not answer has nothing."""

    async def get(self, key: str) -> Any | None: ...

    async def put(self, key: str, value: Any, ttl_seconds: int) -> None: ...


class KeyValues(Protocol):
    """Small values under keys, for the workflows of a project: durable. A value that has expired is not there."""

    async def get(self, project_id: str, key: str, now: datetime) -> tuple[bool, Any]:
        """Whether there is one, and the value. Raises StoreUnavailable."""

    async def set(
        self, project_id: str, key: str, value: Any, now: datetime, *, expires_at: datetime | None, if_absent: bool
    ) -> bool:
        """Keeps the value; with `if_absent` only where there is none, and then tells. Raises StoreUnavailable."""
