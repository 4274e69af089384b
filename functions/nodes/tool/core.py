"""The node type `tool`: one call of a registered tool. A tool of an MCP server is called by `mcp.call`."""

import time
from dataclasses import dataclass, field

from functions.nodes.tool.registry import ToolContext, ToolServices, find
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.connections.kinds import Credentials
from shared.egress import EgressPolicy
from shared.ports import Circuits, Tracing
from shared.workflow.definition import ToolConfig
from shared.workflow.node_call import NodeCall, NodeResult
from shared.workflow.node_config import config_of


@dataclass(frozen=True, slots=True)
class ToolDeps:
    """Shared by all calls of a process."""

    requester: Requester
    services: ToolServices = field(default_factory=ToolServices)
    tracing: Tracing | None = None
    """Whom calls are told to that a model asked for."""

    async def aclose(self) -> None:
        await self.requester.client.aclose()


def tool_deps(
    allowed_hosts: str,
    circuits: Circuits | None = None,
    services: ToolServices | None = None,
    tracing: Tracing | None = None,
) -> ToolDeps:
    """For the running event loop; close it there. Raises ConfigInvalid for a bad allow-list."""
    requester = Requester(GuardedClient(EgressPolicy.parse(allowed_hosts)), circuits)
    return ToolDeps(requester, services or ToolServices(), tracing)


async def run(call: NodeCall, deps: ToolDeps, *, credentials: Credentials | None = None) -> NodeResult:
    """Calls the tool. `meta`: tool, duration_ms.

    Raises:
        NodeConfigInvalid: no such tool, or arguments that it does not take.
        ConnectionUnusable: the tool cannot use the connection.
        NodeError: what the tool says in `raises`.
    """
    config = config_of(call, ToolConfig)
    tool = find(config.tool)
    tool.check(credentials)
    arguments = tool.parse(config.arguments)
    requester = deps.requester.of(call.execution.project_id)
    began = time.perf_counter()
    context = ToolContext(requester, call, deps.services, credentials)
    if deps.tracing is None or not (call.step or "").startswith("call."):
        output = await tool.run(arguments, context)
    else:
        with deps.tracing.observe("tool", call, tool.name, config.arguments) as seen:
            seen.output = output = await tool.run(arguments, context)
    duration_ms = round((time.perf_counter() - began) * 1000, 2)
    return NodeResult(output=output, meta={"tool": tool.name, "duration_ms": duration_ms})
