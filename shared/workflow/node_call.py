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

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at the same work, and for no other work (at most 200 characters)."""
        return "-".join((self.execution.id, self.node, *map(str, self.iteration)))


class NodeResult(BaseModel):
    """`output` is what later nodes read; `meta` is for people and projections (model, usage, HTTP status, notes)."""

    output: Any = None
    meta: dict[str, Any] = Field(default_factory=dict)
