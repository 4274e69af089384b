"""What starts a workflow without a person."""

from fastapi import APIRouter, Request, Response

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.triggers import CreateTrigger, TriggerOut, UpdateTrigger, WebhookOut
from functions.api.requests import Cursor, Id, JsonRoute, Limit, checked_id, workflow_of
from functions.api.triggering import events, timed, webhooks
from shared.errors import NotFound
from shared.triggers.records import Trigger, TriggerType

router = APIRouter(prefix="/api", tags=["triggers"], route_class=JsonRoute)

_KINDS = {**dict.fromkeys(timed.TYPES, timed), TriggerType.EVENT: events}


@router.get(
    "/workflows/{workflow_id}/triggers", dependencies=[requires("triggers:read")], responses=documented(404, 410)
)
async def list_triggers(workflow_id: Id, request: Request, deps: Wired) -> Listed[TriggerOut]:
    """The workflow's triggers."""
    workflow = await workflow_of(deps, workflow_id)
    found = await deps.triggers.list(deps.project_id, workflow.id)
    return Listed(items=[TriggerOut.of(each, _base_url(request)) for each in found], next_cursor=None)


@router.post(
    "/workflows/{workflow_id}/triggers",
    status_code=201,
    dependencies=[requires("triggers:write")],
    responses=documented(400, 404, 409, 410, 413, 501),
)
async def create_trigger(
    workflow_id: Id, body: CreateTrigger, request: Request, response: Response, deps: Wired
) -> TriggerOut:
    """Adds a trigger; a webhook's URL is in the answer. Its secret is kept encrypted and never shown."""
    workflow = await workflow_of(deps, workflow_id)
    trigger = await _KINDS.get(body.type, webhooks).create(deps, workflow.id, body)
    response.headers["Location"] = f"/api/triggers/{trigger.id}"
    return TriggerOut.of(trigger, _base_url(request))


@router.put(
    "/triggers/{trigger_id}", dependencies=[requires("triggers:write")], responses=documented(400, 404, 409, 413, 501)
)
async def update_trigger(trigger_id: Id, body: UpdateTrigger, request: Request, deps: Wired) -> TriggerOut:
    """Changes what is given. A webhook keeps its path and its secret unless others are sent."""
    had = await _trigger_of(deps, trigger_id)
    trigger = await _KINDS.get(had.type, webhooks).update(deps, had, body)
    return TriggerOut.of(trigger, _base_url(request))


@router.delete(
    "/triggers/{trigger_id}", status_code=204, dependencies=[requires("triggers:write")], responses=documented(404)
)
async def delete_trigger(trigger_id: Id, deps: Wired) -> None:
    """Removes the trigger; a webhook's path answers 404 from then on."""
    trigger = await _trigger_of(deps, trigger_id)
    await deps.triggers.delete(deps.project_id, trigger.id)


@router.get("/webhooks", dependencies=[requires("triggers:read")], responses=documented())
async def list_webhooks(request: Request, deps: Wired, limit: Limit = 50, cursor: Cursor = None) -> Listed[WebhookOut]:
    """All webhooks of the project, newest first."""
    page = await deps.triggers.webhooks(deps.project_id, limit=limit, cursor=cursor)
    items = [WebhookOut.of(each, _base_url(request)) for each in page.items]
    return Listed(items=items, next_cursor=page.next_cursor)


async def _trigger_of(deps: Deps, trigger_id: str) -> Trigger:
    trigger = await deps.triggers.get(deps.project_id, checked_id("trigger", trigger_id))
    if trigger is None:
        raise NotFound(f"There is no trigger '{trigger_id}'.")
    return trigger


def _base_url(request: Request) -> str:
    """Where the caller reached this server; on loopback the Host header has been checked."""
    return str(request.base_url).rstrip("/")
