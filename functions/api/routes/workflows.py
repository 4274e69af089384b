"""Workflows: definitions in, versions, status, and starting one by hand."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from functions.api import publishing
from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import DiagnosticOut, Listed
from functions.api.models.workflows import (
    DEFINITION_EXAMPLE,
    ExecuteBody,
    PublishedWorkflow,
    Started,
    Validation,
    VersionOut,
    WorkflowOut,
)
from functions.api.requests import Cursor, Id, JsonRoute, Limit, checked_id, read_document, workflow_of
from shared.adapters.asgi.problems import correlation_id
from shared.errors import InvalidDefinition, InvalidParameter, NotFound
from shared.executions.records import ExecutionStatus, Priority
from shared.executions.start import Origin, Startable, start
from shared.ids import is_id
from shared.triggers.records import TriggerType
from shared.workflow.records import Workflow, WorkflowStatus
from statemachines.compiler import compile_workflow

router = APIRouter(prefix="/api/workflows", tags=["workflows"], route_class=JsonRoute)

_SCHEMA = {"schema": {"$ref": "#/components/schemas/WorkflowDefinition"}, "example": DEFINITION_EXAMPLE}
_DEFINITION: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": _SCHEMA, "application/yaml": _SCHEMA}}
}
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="The same key with the same input starts nothing twice; with another input it is refused.",
    ),
]


@router.post(
    "",
    status_code=201,
    dependencies=[requires("workflows:write")],
    responses=documented(400, 409, 413, 415, 429),
    openapi_extra=_DEFINITION,
)
async def create_workflow(request: Request, response: Response, deps: Wired) -> PublishedWorkflow:
    """Creates a draft. Every mistake of the definition comes in one answer."""
    workflow, warnings = await publishing.create(deps, await read_document(request))
    response.headers["Location"] = f"/api/workflows/{workflow.id}"
    return PublishedWorkflow.after(workflow, warnings)


@router.get("", dependencies=[requires("workflows:read")], responses=documented())
async def list_workflows(
    deps: Wired,
    status: Annotated[WorkflowStatus | None, Query(description="By default all but deleted ones.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[WorkflowOut]:
    """Newest first."""
    page = await deps.workflows.list(deps.project_id, status=status, limit=limit, cursor=cursor)
    return Listed(items=[WorkflowOut.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.post(
    "/validate",
    dependencies=[requires("workflows:read")],
    responses=documented(400, 413, 415),
    openapi_extra=_DEFINITION,
)
async def validate_workflow(request: Request) -> Validation:
    """Says what is wrong with a definition, without storing it."""
    try:
        compiled = compile_workflow(await read_document(request))
    except InvalidDefinition as error:
        return Validation(valid=False, diagnostics=[DiagnosticOut(**d.as_dict()) for d in error.diagnostics], asl=None)
    warnings = [DiagnosticOut(**each.as_dict()) for each in compiled.warnings]
    return Validation(valid=True, diagnostics=warnings, asl=compiled.asl)


@router.get("/{workflow_id}", dependencies=[requires("workflows:read")], responses=documented(404, 410))
async def get_workflow(workflow_id: Id, deps: Wired) -> WorkflowOut:
    """One workflow."""
    return WorkflowOut.of(await workflow_of(deps, workflow_id))


@router.put(
    "/{workflow_id}",
    dependencies=[requires("workflows:write")],
    responses=documented(400, 404, 409, 410, 413, 415, 429),
    openapi_extra=_DEFINITION,
)
async def update_workflow(workflow_id: Id, request: Request, deps: Wired) -> PublishedWorkflow:
    """Adds a version where the definition changed. Executions that run keep theirs."""
    workflow = await workflow_of(deps, workflow_id)
    return PublishedWorkflow.after(*await publishing.update(deps, workflow, await read_document(request)))


@router.delete(
    "/{workflow_id}", status_code=204, dependencies=[requires("workflows:write")], responses=documented(404, 410)
)
async def delete_workflow(workflow_id: Id, deps: Wired) -> None:
    """Nothing starts it any more, and its name is free; its executions can still be read."""
    await _set_status(deps, workflow_id, WorkflowStatus.DELETED)


@router.post("/{workflow_id}/activate", dependencies=[requires("workflows:write")], responses=documented(404, 410, 429))
async def activate_workflow(workflow_id: Id, deps: Wired) -> WorkflowOut:
    """Lets triggers and callers start it."""
    await publishing.publish(deps, await workflow_of(deps, workflow_id))
    return WorkflowOut.of(await _set_status(deps, workflow_id, WorkflowStatus.ACTIVE))


@router.post("/{workflow_id}/pause", dependencies=[requires("workflows:write")], responses=documented(404, 410))
async def pause_workflow(workflow_id: Id, deps: Wired) -> WorkflowOut:
    """Nothing new starts; what runs goes on."""
    return WorkflowOut.of(await _set_status(deps, workflow_id, WorkflowStatus.PAUSED))


@router.get("/{workflow_id}/versions/{version}", dependencies=[requires("workflows:read")], responses=documented(404))
async def get_version(workflow_id: Id, version: int, deps: Wired) -> VersionOut:
    """One version, compiled; those of deleted workflows included, because their executions name them."""
    found = None
    if (
        await deps.workflows.get(deps.project_id, checked_id("workflow", workflow_id)) is not None
        and 0 < version < 2**31
    ):
        found = await deps.workflows.version(workflow_id, version)
    if found is None:
        raise NotFound(f"The workflow '{workflow_id}' has no version {version}.")
    return VersionOut.model_validate(found, from_attributes=True)


@router.post(
    "/{workflow_id}/execute",
    status_code=202,
    dependencies=[requires("workflows:execute")],
    responses=documented(400, 404, 409, 410, 413),
)
async def execute_workflow(
    *,
    workflow_id: Id,
    request: Request,
    response: Response,
    deps: Wired,
    body: ExecuteBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Started:
    """Starts an execution of the newest version; it runs after this answer."""
    workflow = await workflow_of(deps, workflow_id)
    body = body or ExecuteBody()
    origin = Origin(
        trigger={"type": TriggerType.MANUAL.value, **await _replaying(deps, workflow, body.replay)},
        correlation_id=correlation_id(request.scope) or "",
        idempotency_key=f"api:{idempotency_key}" if idempotency_key else None,
        priority=Priority[body.priority.upper()],
    )
    accepted = await start(startable(workflow), body.input, origin, queue=deps.queue, clock=deps.clock)
    response.headers["Location"] = f"/api/executions/{accepted.execution_id}"
    status = await _status_now(deps, accepted.execution_id) if accepted.duplicate else ExecutionStatus.QUEUED
    return Started(execution_id=accepted.execution_id, status=status, duplicate=accepted.duplicate)


async def _replaying(deps: Deps, workflow: Workflow, execution_id: str | None) -> dict[str, Any]:
    if execution_id is None:
        return {}
    recorded = await deps.executions.get(deps.project_id, execution_id) if is_id(execution_id) else None
    if recorded is None or recorded.workflow_id != workflow.id:
        raise InvalidParameter(
            f"`replay` is '{execution_id}', which is no execution of the workflow '{workflow.name}'. "
            f"GET /api/executions?workflow_id={workflow.id} lists those that are."
        )
    return {"replay_of": recorded.id}


async def _set_status(deps: Deps, workflow_id: str, status: WorkflowStatus) -> Workflow:
    workflow = await workflow_of(deps, workflow_id)
    now = deps.clock.now()
    await deps.workflows.set_status(deps.project_id, workflow.id, status, now)
    return replace(workflow, status=status, updated_at=now)


def startable(workflow: Workflow) -> Startable:
    """Its newest version, for starting."""
    return Startable(
        project_id=workflow.project_id,
        workflow_id=workflow.id,
        name=workflow.name,
        status=workflow.status,
        version=workflow.version,
        input_schema=workflow.definition.get("input_schema"),
        flow_control=(workflow.definition.get("settings") or {}).get("flow_control"),
    )


async def _status_now(deps: Deps, execution_id: str) -> ExecutionStatus:
    execution = await deps.executions.get(deps.project_id, execution_id)
    return execution.status if execution is not None else ExecutionStatus.QUEUED
