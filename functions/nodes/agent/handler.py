"""The Lambda of the node type `agent`."""

import asyncio
from typing import Any

from functions.nodes.agent.core import AgentDeps, run
from shared.connections.kinds import Credentials
from shared.settings import load
from shared.workflow.node_call import NodeCall, NodeResult
from shared.workflow.node_lambda import answer


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's interface
    """A NodeCall in, a NodeResult out; a NodeError fails the invocation under its class name."""
    return asyncio.run(answer(event, _run))


async def _run(call: NodeCall, *, credentials: Credentials | None = None) -> NodeResult:
    deps = AgentDeps(load().default_model)
    try:
        return await run(call, deps, credentials=credentials)
    finally:
        await deps.aclose()
