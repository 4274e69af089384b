"""The Lambda of the node type `agent`."""

import os
from typing import Any

from functions.nodes import services
from functions.nodes.agent.core import AgentDeps, run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.connections.kinds import Credentials
from shared.settings import load
from shared.workflow.node_call import NodeCall, NodeResult


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's interface
    """A NodeCall in, a NodeResult out; a NodeError fails the invocation under its class name."""
    return services.invoke(event, _run)


async def _run(call: NodeCall, *, credentials: Credentials | None = None) -> NodeResult:
    deps = _deps()
    try:
        return await run(call, deps, credentials=credentials)
    finally:
        await deps.aclose()


def _deps() -> AgentDeps:
    settings = load()
    if not services.deployed():
        return AgentDeps(settings.default_model)
    from functions.nodes.agent.mcp_tools import McpTools  # noqa: PLC0415 - drivers, see preload below
    from shared.adapters.aws.settings import model_keys  # noqa: PLC0415
    from shared.adapters.http.authorise import Requester  # noqa: PLC0415
    from shared.adapters.http.client import GuardedClient  # noqa: PLC0415
    from shared.adapters.postgres.agents import PostgresAgentMemory, PostgresAgentTurns  # noqa: PLC0415
    from shared.egress import EgressPolicy  # noqa: PLC0415

    requester = Requester(GuardedClient(EgressPolicy.parse(settings.allowed_hosts)), services.circuits())
    return AgentDeps(
        settings.default_model,
        environment={**os.environ, **model_keys()},
        turns=PostgresAgentTurns(services.database()),
        memory=PostgresAgentMemory(services.database()),
        mcp=McpTools(requester, services.connections()),
        tracing=services.tracing(),
    )


preload(
    *services.SERVICES,
    "functions.nodes.agent.loop",
    "functions.nodes.agent.turn",
    "shared.adapters.http.authorise",
    "shared.adapters.postgres.agents",
    clients=("secretsmanager",),
)
