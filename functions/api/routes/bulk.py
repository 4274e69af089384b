"""Bulk runs: one workflow started once for each of many inputs."""

import asyncio
import hashlib
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.bulk import BulkCheck, BulkItemOut, BulkOut, BulkRetried, BulkSummary
from functions.api.models.common import DiagnosticOut, Listed
from functions.api.requests import Cursor, Id, Limit, checked_id, workflow_of
from functions.api.routes.workflows import IdempotencyKey, startable
from shared.adapters.asgi.problems import correlation_id
from shared.bulk.inputs import ENDINGS, FORMATS, JSON, Checked, read
from shared.bulk.records import DEFAULT_IN_FLIGHT, MAX_BYTES, MAX_IN_FLIGHT, BulkRun, new_bulk_id
from shared.errors import Conflict, InvalidInput, InvalidParameter, MalformedRequest, NotFound, RequestTooLarge
from shared.executions.records import ExecutionStatus, Priority
from shared.executions.start import ensure_startable
from shared.ids import is_id
from shared.workflow.objects import KEY_PATTERN, MAX_KEY_LENGTH, object_place
from shared.workflow.records import Workflow

router = APIRouter(tags=["bulk"])

ObjectKey = Annotated[
    str | None,
    Query(
        alias="object",
        pattern=KEY_PATTERN,
        max_length=MAX_KEY_LENGTH,
        description="The key of an object of the project that holds the inputs, in the place of the body.",
        examples=["guests.csv"],
    ),
]

_INPUTS: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {"schema": {"type": "array", "items": {}}, "example": [{"name": "Ada"}]},
            "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"name": "Ada"}\n{"name": "Grace"}\n'},
            "text/csv": {"schema": {"type": "string"}, "example": "name\nAda\nGrace\n"},
        },
    }
}


@router.post(
    "/api/workflows/{workflow_id}/bulk",
    status_code=202,
    dependencies=[requires("workflows:execute", audited="workflow.bulk_started")],
    responses=documented(400, 404, 409, 410, 413, 415),
    openapi_extra=_INPUTS,
)
async def start_bulk_run(
    *,
    workflow_id: Id,
    request: Request,
    response: Response,
    deps: Wired,
    max_in_flight: Annotated[
        int, Query(ge=1, le=MAX_IN_FLIGHT, description="Executions that may be unfinished at once.")
    ] = DEFAULT_IN_FLIGHT,
    priority: Annotated[str, Query(pattern="^(low|normal|high)$")] = "low",
    object_key: ObjectKey = None,
    idempotency_key: IdempotencyKey = None,
) -> BulkOut:
    """Starts the newest version once for each input: a JSON array, lines of JSON, or CSV with a header (RFC 4180), in
    the body or in an object of the project (`object.put`), whose key says what it is by its ending. Either every input
    fits the workflow, or nothing starts. Behind other executions, unless `priority` says else."""
    workflow = await workflow_of(deps, workflow_id)
    ensure_startable(startable(workflow))
    data, media_type = await _inputs(request, deps, object_key)
    found = await _read(data, media_type, workflow)
    if found.invalid:
        raise InvalidInput(found.diagnostics)
    bulk = BulkRun(
        id=new_bulk_id(),
        project_id=workflow.project_id,
        workflow_id=workflow.id,
        version=workflow.version,
        total=found.valid,
        submitted=0,
        max_in_flight=max_in_flight,
        priority=Priority[priority.upper()],
        correlation_id=correlation_id(request.scope) or "",
        created_at=deps.clock.now(),
        idempotency_key=idempotency_key,
        request_digest=hashlib.sha256(data).hexdigest(),
    )
    await deps.blobs.put(bulk.inputs_key, bytes(found.lines))
    kept = await deps.bulk_runs.create(bulk)
    response.headers["Location"] = f"/api/bulk/{kept.id}"
    return await _shown(deps, kept)


@router.post(
    "/api/workflows/{workflow_id}/bulk/check",
    dependencies=[requires("workflows:execute")],
    responses=documented(400, 404, 410, 413, 415),
    openapi_extra=_INPUTS,
)
async def check_bulk_run(workflow_id: Id, request: Request, deps: Wired, object_key: ObjectKey = None) -> BulkCheck:
    """Says whether the inputs could start, without starting anything."""
    workflow = await workflow_of(deps, workflow_id)
    found = await _read(*await _inputs(request, deps, object_key), workflow)
    diagnostics = [DiagnosticOut(**each.as_dict()) for each in found.diagnostics]
    return BulkCheck(valid=found.valid, invalid=found.invalid, diagnostics=diagnostics)


@router.get("/api/bulk", dependencies=[requires("executions:read")], responses=documented())
async def list_bulk_runs(
    deps: Wired,
    workflow_id: Annotated[str | None, Query(description="Of this workflow only.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[BulkSummary]:
    """Newest first."""
    if workflow_id is not None and not is_id(workflow_id):
        raise InvalidParameter(f"workflow_id is '{workflow_id[:64]}'; it must be the id of a workflow, a UUID.")
    page = await deps.bulk_runs.list(deps.project_id, workflow_id=workflow_id, limit=limit, cursor=cursor)
    return Listed(items=[BulkSummary.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/api/bulk/{bulk_id}", dependencies=[requires("executions:read")], responses=documented(404))
async def get_bulk_run(bulk_id: Id, deps: Wired) -> BulkOut:
    """One bulk run and how far it is."""
    return await _shown(deps, await _found(deps, bulk_id))


@router.get("/api/bulk/{bulk_id}/items", dependencies=[requires("executions:read")], responses=documented(404))
async def bulk_items(
    *,
    bulk_id: Id,
    deps: Wired,
    status: Annotated[list[ExecutionStatus] | None, Query(description="In these statuses only.")] = None,
    limit: Limit = 50,
    cursor: Annotated[str, Query(pattern=r"^\d{0,6}$", description="`next_cursor` of the page before.")] = "",
) -> Listed[BulkItemOut]:
    """What became of each input that was handed to the queue, in order of the inputs."""
    bulk = await _found(deps, bulk_id)
    after = int(cursor) if cursor else -1
    items = await deps.bulk_runs.items(bulk, statuses=status or (), after=after, limit=limit + 1)
    shown = [BulkItemOut.of(bulk, each) for each in items[:limit]]
    return Listed(items=shown, next_cursor=str(shown[-1].index) if len(items) > limit else None)


@router.post(
    "/api/bulk/{bulk_id}/cancel",
    status_code=202,
    dependencies=[requires("executions:write", audited="bulk.cancelled")],
    responses=documented(404, 409),
)
async def cancel_bulk_run(bulk_id: Id, deps: Wired) -> BulkOut:
    """Nothing more of it starts, and its executions that have not ended are cancelled."""
    bulk = await _found(deps, bulk_id)
    counts = await deps.bulk_runs.counts(bulk)
    if bulk.closed and all(status.terminal for status in counts):
        raise Conflict(f"The bulk run '{bulk_id}' has already ended.")
    await deps.bulk_runs.request_cancel(bulk, deps.clock.now())
    return await _shown(deps, await _found(deps, bulk_id))


@router.post(
    "/api/bulk/{bulk_id}/retry",
    status_code=202,
    dependencies=[requires("executions:write", audited="bulk.retried")],
    responses=documented(404, 409),
)
async def retry_bulk_run(bulk_id: Id, deps: Wired) -> BulkRetried:
    """Lets its executions that failed or timed out go on from where they did. What succeeded is not run again."""
    bulk = await _found(deps, bulk_id)
    redriven = await deps.bulk_runs.redrive_failed(bulk, deps.clock.now())
    if not redriven:
        raise Conflict(
            f"Of the bulk run '{bulk_id}' there is nothing to go on with: nothing failed or timed out in the last 14 "
            "days, or the workflow is express. Start those inputs in a new bulk run."
        )
    return BulkRetried(id=bulk.id, redriven=redriven)


async def _inputs(request: Request, deps: Deps, object_key: str | None) -> tuple[bytes, str]:
    """The inputs as they were sent, or as an object holds them, and their media type."""
    data = await request.body()
    if object_key is None:
        return data, request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if data:
        raise MalformedRequest("There are inputs in the body and in `object`. Send one of them.")
    kept = await deps.blobs.get(object_place(deps.project_id, object_key))
    if kept is None:
        raise NotFound(f"There is no object '{object_key}' in this project. A workflow keeps one by `object.put`.")
    if len(kept) > MAX_BYTES:
        raise RequestTooLarge(f"The object '{object_key}' has {len(kept)} bytes; a bulk run takes up to {MAX_BYTES}.")
    return kept, ENDINGS.get(PurePosixPath(object_key).suffix.lower(), object_key)


async def _read(data: bytes, media_type: str, workflow: Workflow) -> Checked:
    """In a thread: a hundred thousand inputs take a while."""
    if media_type not in FORMATS:
        allowed = ", ".join([*FORMATS, *ENDINGS])
        raise HTTPException(415, f"Inputs cannot be read from '{media_type[:100]}'. Allowed: {allowed}.")
    return await asyncio.to_thread(read, data, FORMATS[media_type], workflow.definition.get("input_schema"))


async def _found(deps: Deps, bulk_id: str) -> BulkRun:
    bulk = await deps.bulk_runs.get(deps.project_id, checked_id("bulk run", bulk_id))
    if bulk is None:
        raise NotFound(f"There is no bulk run '{bulk_id}'. GET /api/bulk lists those that are.")
    return bulk


async def _shown(deps: Deps, bulk: BulkRun) -> BulkOut:
    return BulkOut.of(bulk, await deps.bulk_runs.counts(bulk))
