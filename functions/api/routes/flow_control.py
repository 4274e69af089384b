"""What a workflow's flow control would do to a list of arrivals."""

import asyncio
from dataclasses import asdict

from fastapi import APIRouter

from functions.api.access import requires
from functions.api.deps import Wired
from functions.api.errors import documented
from functions.api.models.flow_control import FlowStep, FlowSummary, SimulatedFlow, SimulateFlow
from functions.api.requests import Id, JsonRoute, workflow_of
from shared.executions.flow_rehearsal import Rehearsal, RehearsedArrival, rehearse
from shared.workflow.flow_control import FlowControl

router = APIRouter(prefix="/api", tags=["flow control"], route_class=JsonRoute)


@router.post(
    "/workflows/{workflow_id}/flow-control/simulate",
    dependencies=[requires("workflows:read")],
    responses=documented(400, 404, 410, 413),
)
async def simulate_flow_control(workflow_id: Id, body: SimulateFlow, deps: Wired) -> SimulatedFlow:
    """What would happen to these arrivals, by the same decisions that are made of real ones. Nothing is started."""
    workflow = await workflow_of(deps, workflow_id)
    given = (workflow.definition.get("settings") or {}).get("flow_control")
    control = body.flow_control or FlowControl.model_validate(given or {})
    arrivals = [
        RehearsedArrival(each.id or str(number), each.at, each.input, each.duration_seconds)
        for number, each in enumerate(body.arrivals, start=1)
    ]
    return _shown(await asyncio.to_thread(rehearse, control, arrivals))


def _shown(rehearsal: Rehearsal) -> SimulatedFlow:
    steps = [FlowStep.model_validate(asdict(each)) for each in rehearsal.timeline]
    return SimulatedFlow(timeline=steps, summary=FlowSummary.model_validate(rehearsal.summary))
