"""The node type `agent`: a language model answers, as text or as JSON that matches `output_schema`.

One turn, plus repair turns in which the model sees what was wrong with its answer. Where the agent runs as a loop of
states, that is its only turn: tools, memory and budgets are designed and not built, and a call that asks for them is
refused. Cold path: the model libraries are imported when the first
turn runs, since they take longer to import than all the rest together.
"""

import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from functions.nodes.agent.models import DEMO_MODEL, resolve
from shared.errors import NodeConfigInvalid
from shared.workflow.definition import AgentConfig
from shared.workflow.node_call import NodeCall, NodeResult
from shared.workflow.node_config import config_of

if TYPE_CHECKING:
    from pydantic_ai.models import Model

_NOT_BUILT = ("tools", "fallback_models", "budget", "memory")


@dataclass
class AgentDeps:
    """What the operator set, and the models in use, whose connections are shared by all calls of a process."""

    default_model: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    request_seconds: float = 120.0
    """How long one request to a model may take."""
    models: dict[str, "Model"] = field(default_factory=dict)
    open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self.open.aclose()


async def run(call: NodeCall, deps: AgentDeps) -> NodeResult:
    """Asks the model. `meta`: model, usage (tokens, requests), cost in dollars where known, duration, stand-in or not.

    Raises:
        NodeConfigInvalid: the evaluated config is not an agent's, or asks for what is not built.
        ModelRefused: no such model, no key for it, or the provider rejects the request.
        ModelUnavailable: the provider is overloaded, failed, or took too long.
        OutputInvalid: the answer still does not match output_schema after the repair turns.
    """
    config = _config(call)
    name = resolve(config.model, deps.default_model, deps.environment)
    from functions.nodes.agent import turn  # noqa: PLC0415 - heavy, see above

    began = time.perf_counter()
    output, meta = await turn.ask(name, config, prompt_text(config.prompt), deps)
    meta["duration_ms"] = round((time.perf_counter() - began) * 1000, 2)
    if name == DEMO_MODEL:
        meta |= {"stand_in": True, "note": turn.NOTE}
    return NodeResult(output=_turn(call, output), meta=meta)


def _turn(call: NodeCall, answer: Any) -> Any:
    """What the loop of states reads of a turn; a turn without tools always has the answer."""
    if call.turn is None:
        return answer
    return {"number": call.turn.number, "done": True, "output": answer, "calls": []}


def prompt_text(prompt: Any) -> str:
    """The prompt as the model reads it: text as it is, anything else as JSON."""
    return prompt if isinstance(prompt, str) else orjson.dumps(prompt, option=orjson.OPT_INDENT_2).decode()


def _config(call: NodeCall) -> AgentConfig:
    config = config_of(call, AgentConfig)
    asked = [name for name in _NOT_BUILT if getattr(config, name)]
    if asked:
        raise NodeConfigInvalid(f"Agent '{call.node}' uses {', '.join(asked)}, which is not built yet; remove it.")
    if not prompt_text(config.prompt).strip():
        raise NodeConfigInvalid(f"The prompt of agent '{call.node}' is empty; its expression gave no text.")
    return config
