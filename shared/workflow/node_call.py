"""What a compiled Task hands to a node's Lambda, and what it gets back.

The compiler writes `Payload` in this shape with every expression already evaluated by the state machine; a node never
evaluates an expression and never sees another node's data.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ExecutionRef(BaseModel):
    """Which execution a call belongs to; the `execution` part of every machine's input."""

    model_config = ConfigDict(extra="ignore")

    id: str
    project_id: str
    workflow_id: str
    workflow: str
    version: int
    correlation_id: str
    trigger: dict[str, Any] = Field(default_factory=dict)


class CacheRef(BaseModel):
    """An earlier output under `key` may be given instead of doing the work."""

    model_config = ConfigDict(extra="forbid")

    key: str
    ttl_seconds: int


class ToolResult(BaseModel):
    """What came of one tool call that a model asked for: `output`, or `error` as `{name, cause}`."""

    model_config = ConfigDict(extra="forbid")

    id: str
    output: Any = None
    error: dict[str, Any] | None = None


class AgentTurn(BaseModel):
    """One turn of an agent's loop: `number` counts from 0, `results` are those of the calls that turn `number - 1`
    asked for."""

    model_config = ConfigDict(extra="forbid")

    number: int = 0
    results: list[ToolResult] = Field(default_factory=list)


class NodeCall(BaseModel):
    """One attempt of one node. `config` is the node's config, evaluated; `attempt` counts from 0."""

    model_config = ConfigDict(extra="forbid")

    node: str
    type: str
    config: dict[str, Any]
    execution: ExecutionRef
    attempt: int = 0
    iteration: list[int] = Field(default_factory=list)
    """Indices of the loops around the node, the outermost first; empty outside of loops."""

    step: str | None = None
    """Which part of the node's work, where it has several: `turn.2`, `call.2.0`."""
    turn: AgentTurn | None = None
    """Of an agent that runs as a loop of states."""
    task_token: str | None = None
    """Where the state waits for somebody to complete it by this token."""
    cache: CacheRef | None = None

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at the same work, and for no other work (at most 200 characters)."""
        step = () if self.step is None else (self.step,)
        return "-".join((self.execution.id, self.node, *map(str, self.iteration), *step))


class NodeResult(BaseModel):
    """`output` is what later nodes read; `meta` is for people and projections (model, usage, HTTP status, notes)."""

    output: Any = None
    meta: dict[str, Any] = Field(default_factory=dict)
