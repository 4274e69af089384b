"""The node type `agent`: a language model answers, as text or as JSON that matches `output_schema`.

A call with a `turn` is one turn of a loop of states: see `loop`. A call without one asks once, plus repair turns in
which the model sees what was wrong with its answer. Cold path: the model libraries are imported when the first turn
runs, since they take longer to import than all the rest together.
"""

import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from functions.nodes.agent.mcp_tools import McpTools
from functions.nodes.agent.models import DEMO_MODEL, resolve
from shared.connections.kinds import Credentials
from shared.errors import NodeConfigInvalid
from shared.ports import AgentMemory, AgentTurns, LiveFeed, Tracing
from shared.workflow.definition import AgentConfig
from shared.workflow.node_call import NodeCall, NodeResult
from shared.workflow.node_config import config_of

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_LOOP = ("fallback_models", "budget", "memory", "stream")


@dataclass
class AgentDeps:
    """What the operator set, and the models in use, whose connections are shared by all calls of a process."""

    default_model: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    request_seconds: float = 120.0
    """How long one request to a model may take."""
    turns: AgentTurns | None = None
    memory: AgentMemory | None = None
    mcp: McpTools | None = None
    feed: LiveFeed | None = None
    """Where what a model says is told while it says it."""
    tracing: Tracing | None = None
    """Whom calls of models are told to."""
    models: dict[str, "Model"] = field(default_factory=dict)
    open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self.open.aclose()


async def run(call: NodeCall, deps: AgentDeps, *, credentials: Credentials | None = None) -> NodeResult:
    """Asks the model. `meta`: model, usage (tokens, requests), cost in dollars where known, duration, stand-in or not.

    Raises:
        NodeConfigInvalid: the evaluated config is not an agent's, or asks for what is not built.
        ModelRefused: no such model, no key for it, or the provider rejects the request.
        ModelUnavailable: the provider is overloaded, failed, or took too long.
        OutputInvalid: the answer still does not match output_schema after the repair turns.
    """
    if credentials is not None:
        raise NodeConfigInvalid(f"Agent '{call.node}' names a connection; agents take their keys from the environment.")
    config = _config(call)
    if call.turn is not None or deps.turns is not None or any(getattr(config, name) for name in _LOOP):
        from functions.nodes.agent.loop import Loop  # noqa: PLC0415 - heavy, see above

        loop = Loop(call, config, deps)
        return await (loop.only() if call.turn is None else loop.take(call.turn))
    name = resolve(config.model, deps.default_model, deps.environment)
    from functions.nodes.agent import turn  # noqa: PLC0415 - heavy, see above

    began = time.perf_counter()
    output, meta = await turn.ask(name, config, call, deps)
    meta["duration_ms"] = round((time.perf_counter() - began) * 1000, 2)
    if name == DEMO_MODEL:
        meta |= {"stand_in": True, "note": turn.NOTE}
    return NodeResult(output=output, meta=meta)


def prompt_text(prompt: Any) -> str:
    """The prompt as the model reads it: text as it is, anything else as JSON."""
    return prompt if isinstance(prompt, str) else orjson.dumps(prompt, option=orjson.OPT_INDENT_2).decode()


def _config(call: NodeCall) -> AgentConfig:
    config = config_of(call, AgentConfig)
    if config.tools and call.turn is None:
        raise NodeConfigInvalid(f"Agent '{call.node}' uses tools, which need the loop of states: publish it again.")
    if not prompt_text(config.prompt).strip():
        raise NodeConfigInvalid(f"The prompt of agent '{call.node}' is empty; its expression gave no text.")
    return config
