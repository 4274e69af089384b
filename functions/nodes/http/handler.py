"""The Lambda of the node type `webhook`."""

from typing import Any

from functions.nodes import services
from functions.nodes.http.core import HttpDeps, http_deps, run
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


def _deps() -> HttpDeps:
    return http_deps(load().allowed_hosts, services.circuits())


preload(*services.SECRETS, clients=("secretsmanager",))
