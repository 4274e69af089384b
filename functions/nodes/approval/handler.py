"""The Lambda of the node type `approval`."""

from functools import cache
from typing import Any

from functions.nodes import services
from functions.nodes.approval.core import ApprovalDeps, run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.clock import SystemClock
from shared.connections.kinds import Credentials
from shared.workflow.node_call import NodeCall, NodeResult


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's interface
    """A NodeCall with a task token in; that it returns only says that the approval is kept."""
    return services.invoke(event, _run, only_blobs=True)


async def _run(call: NodeCall, *, credentials: Credentials | None = None) -> NodeResult:
    return await run(call, _deps(), credentials=credentials)


@cache
def _deps() -> ApprovalDeps:
    # A driver, see preload below.
    from shared.adapters.postgres.approval_requests import PostgresApprovalRequests  # noqa: PLC0415

    return ApprovalDeps(PostgresApprovalRequests(services.database()), services.secrets(), SystemClock())


preload(*services.STORES, "shared.adapters.postgres.approval_requests", clients=("secretsmanager",))
