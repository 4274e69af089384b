"""The Lambda of the node type `agent`."""

from typing import Any

from functions.nodes.agent.core import AgentDeps, run
from functions.nodes.services import engine, invoke
from shared.connections.kinds import Credentials
from shared.settings import load
from shared.workflow.node_call import NodeCall, NodeResult


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's interface
    """A NodeCall in, a NodeResult out; a NodeError fails the invocation under its class name."""
    return invoke(event, _run)


async def _run(call: NodeCall, *, credentials: Credentials | None = None) -> NodeResult:
    deps = _deps()
    try:
        return await run(call, deps, credentials=credentials)
    finally:
        await deps.aclose()


def _deps() -> AgentDeps:
    settings = load()
    if settings.stage == "local":
        return AgentDeps(settings.default_model)
    from shared.adapters.postgres.agents import PostgresAgentMemory, PostgresAgentTurns  # noqa: PLC0415 - see core

    return AgentDeps(settings.default_model, turns=PostgresAgentTurns(engine()), memory=PostgresAgentMemory(engine()))
