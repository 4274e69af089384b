"""The Lambda of the node type `tool`."""

from typing import Any

from functions.nodes import services
from functions.nodes.tool.core import ToolDeps, run, tool_deps
from functions.nodes.tool.registry import ToolServices
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


def _deps() -> ToolDeps:
    return tool_deps(load().allowed_hosts, services.circuits(), _stores(), services.tracing())


def _stores() -> ToolServices | None:
    if not services.deployed():
        return None
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - drivers, see preload below
    from shared.adapters.aws.starts import SqsStartQueue  # noqa: PLC0415
    from shared.adapters.postgres.queue import PostgresQueue  # noqa: PLC0415
    from shared.adapters.postgres.values import PostgresKeyValues  # noqa: PLC0415
    from shared.adapters.postgres.workflow_reader import PostgresWorkflowReader  # noqa: PLC0415
    from shared.clock import SystemClock  # noqa: PLC0415
    from shared.executions.starting import WorkflowStarts  # noqa: PLC0415

    here, database = stage(), services.database()
    rows = PostgresQueue(here.settings.require_database_url(), max_queued=here.settings.max_queued)
    queue = SqsStartQueue(rows, here.aws)
    starts = WorkflowStarts(PostgresWorkflowReader(database), queue, SystemClock())
    return ToolServices(services.blobs(), PostgresKeyValues(database), starts)


preload(*services.SECRETS, clients=("secretsmanager",))
