"""Executions: what ran, how far it is, what it says, and stopping it. Node runs and logs are projected from history."""

from collections.abc import AsyncIterator
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AwareDatetime

from functions.api import live
from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.executions import Cancelled, ExecutionOut, ExecutionSummary, LogLineOut, Redriven
from functions.api.requests import Cursor, Id, Limit, checked_id
from shared.errors import Conflict, InvalidParameter, NotFound
from shared.executions.logs import Level, LogFilter, log_lines
from shared.executions.projector import project, whole
from shared.executions.records import Execution, ExecutionStatus
from shared.ids import is_id

router = APIRouter(prefix="/api/executions", tags=["executions"])


async def _found(execution_id: Id, deps: Wired) -> Execution:
    execution = await deps.executions.get(deps.project_id, checked_id("execution", execution_id))
    if execution is None:
        raise NotFound(f"There is no execution '{execution_id}'. GET /api/executions lists those that are.")
    return execution


LastEventId = Annotated[
    int, Header(alias="Last-Event-ID", ge=0, lt=2**31, description="Where a broken stream goes on.")
]
_SSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "`node` and `execution` events, until the execution ends, or until `retry`."}
}


@router.get("", dependencies=[requires("executions:read")], responses=documented())
async def list_executions(
    deps: Wired,
    workflow_id: Annotated[str | None, Query(description="Of this workflow only.")] = None,
    status: Annotated[ExecutionStatus | None, Query(description="In this status only.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[ExecutionSummary]:
    """Newest first, without payloads."""
    if workflow_id is not None and not is_id(workflow_id):
        raise InvalidParameter(f"workflow_id is '{workflow_id[:64]}'; it must be the id of a workflow, a UUID.")
    page = await deps.executions.list(
        deps.project_id, workflow_id=workflow_id, status=status, limit=limit, cursor=cursor
    )
    return Listed(items=[ExecutionSummary.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/{execution_id}", dependencies=[requires("executions:read")], responses=documented(404))
async def get_execution(execution: Annotated[Execution, Depends(_found)], deps: Wired) -> ExecutionOut:
    """One execution: payloads, and every node's status, input, output, attempts and timings."""
    history = whole(execution, await deps.executions.history(execution.id))
    runs = project(await _source_map(deps, execution), history)
    return ExecutionOut.with_runs(execution, runs)


@router.post(
    "/{execution_id}/cancel",
    status_code=202,
    dependencies=[requires("executions:write", audited="execution.cancelled")],
    responses=documented(404, 409),
)
async def cancel_execution(execution_id: Id, deps: Wired) -> Cancelled:
    """Stops an execution: a queued one at once, a running one as soon as its worker hears of it."""
    had = await deps.executions.request_cancel(deps.project_id, checked_id("execution", execution_id), deps.clock.now())
    if had is None:
        raise NotFound(f"There is no execution '{execution_id}'.")
    if had.terminal:
        raise Conflict(f"The execution '{execution_id}' has already ended: it is {had}. Only an unfinished one stops.")
    status = ExecutionStatus.CANCELLED if had == ExecutionStatus.QUEUED else had
    return Cancelled(execution_id=execution_id, status=status, cancel_requested=True)


@router.post(
    "/{execution_id}/redrive",
    status_code=202,
    dependencies=[requires("executions:write", audited="execution.redriven")],
    responses=documented(404, 409),
)
async def redrive_execution(execution_id: Id, deps: Wired) -> Redriven:
    """Lets an execution that failed, timed out or was cancelled go on from where it did: the same version, the same
    history. What has succeeded is not run again. Express executions are started anew instead."""
    now = deps.clock.now()
    had = await deps.executions.request_redrive(deps.project_id, checked_id("execution", execution_id), now)
    if had is None:
        raise NotFound(f"There is no execution '{execution_id}'.")
    return Redriven(execution_id=execution_id, status=ExecutionStatus.RUNNING)


@router.get(
    "/{execution_id}/blobs/{sha256}",
    dependencies=[requires("executions:read")],
    responses={**documented(404), 200: {"content": {"application/json": {}}, "description": "The value, as JSON."}},
    response_class=Response,
)
async def get_blob(
    execution: Annotated[Execution, Depends(_found)],
    sha256: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="As the claim check names it.")],
    deps: Wired,
) -> Response:
    """What a claim check of this execution (`{"$blob": {…}}` in an output) stands for."""
    data = await deps.blobs.get(f"{execution.project_id}/{execution.id}/{sha256}")
    if data is None:
        raise NotFound(f"The execution {execution.id} has no blob '{sha256}'.")
    return Response(data, media_type="application/json")


@router.get("/{execution_id}/logs", dependencies=[requires("executions:read")], responses=documented(404))
async def execution_logs(
    *,
    execution: Annotated[Execution, Depends(_found)],
    deps: Wired,
    level: Annotated[
        Literal["debug", "info", "warning", "error"], Query(description="This level and those above it.")
    ] = "debug",
    node: Annotated[str | None, Query(description="Of this node only.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Not before this time.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this time.")] = None,
    limit: Limit = 50,
    cursor: Annotated[str, Query(pattern=r"^(\d{8}\.\d{4})?$", description="`next_cursor` of the page before.")] = "",
) -> Listed[LogLineOut]:
    """Log lines, oldest first."""
    wanted = LogFilter(Level[level.upper()], node, since, until, cursor)
    history = whole(execution, await deps.executions.history(execution.id))
    lines = log_lines(await _source_map(deps, execution), history)
    page = list(islice((line for line in lines if wanted.takes(line)), limit + 1))
    next_cursor = page[limit - 1].id if len(page) > limit else None
    return Listed(items=[LogLineOut.of(line, execution) for line in page[:limit]], next_cursor=next_cursor)


@router.get(
    "/{execution_id}/events",
    response_class=EventSourceResponse,
    dependencies=[requires("executions:read")],
    responses=_SSE | documented(404),
)
async def execution_events(
    execution: Annotated[Execution, Depends(_found)], deps: Wired, last_event_id: LastEventId = 0
) -> AsyncIterator[ServerSentEvent]:
    """Live progress (server-sent events): what has happened so far, then each change as it happens. Behind API Gateway
    the stream ends with what has happened so far, and says in `retry` when to come back with `Last-Event-ID`."""
    source_map = await _source_map(deps, execution)
    async for message in live.changes(deps, execution, source_map, last_event_id):
        yield message


async def _source_map(deps: Deps, execution: Execution) -> dict[str, Any]:
    version = await deps.workflows.version(execution.workflow_id, execution.version)
    return version.source_map if version is not None else {}
