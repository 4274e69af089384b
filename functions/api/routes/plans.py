"""What a workflow costs, before it runs and after."""

from typing import Annotated

from fastapi import APIRouter, Query

from functions.api import plans
from functions.api.access import requires
from functions.api.deps import Wired
from functions.api.errors import documented
from functions.api.requests import Id, workflow_of
from statemachines.plan import Plan

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


@router.get("/{workflow_id}/plan", dependencies=[requires("workflows:read")], responses=documented(404, 410))
async def get_plan(
    workflow_id: Id,
    deps: Wired,
    items: Annotated[
        int | None, Query(ge=0, le=1_000_000, description="How long lists are taken to be that nothing bounds.")
    ] = None,
) -> Plan:
    """What an execution of the newest version takes: billed transitions, calls of functions, GB-seconds, history
    events, tokens, dollars; at least, at most, and on average of its last 100 finished executions."""
    return await plans.plan_of(deps, await workflow_of(deps, workflow_id), items)
