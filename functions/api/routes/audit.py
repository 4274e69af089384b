"""The project's audit log: who did what to what, from where."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.audit import AuditEntryOut, AuditHead
from functions.api.models.common import Listed
from functions.api.requests import Limit
from shared.audit.records import AuditFilter

router = APIRouter(prefix="/api/audit", tags=["audit"])

_LINES: dict[int | str, dict[str, Any]] = {
    200: {"description": "One entry a line, oldest first.", "content": {"application/x-ndjson": {}}}
}


@router.get("", dependencies=[requires("audit:read")], responses=documented(400))
async def list_audit_entries(
    *,
    deps: Wired,
    actor_id: Annotated[str | None, Query(max_length=200, description="By this user or key only.")] = None,
    action: Annotated[
        str | None, Query(max_length=100, description="This action only; `workflow.*` is every one of workflows.")
    ] = None,
    target_id: Annotated[str | None, Query(max_length=200, description="To this resource only.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Not before this time.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this time.")] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before.")] = None,
) -> Listed[AuditEntryOut]:
    """Newest first."""
    wanted = AuditFilter(actor_id, action, target_id, since, until)
    page = await deps.audit.list(deps.project_id, wanted, limit=limit, cursor=cursor)
    return Listed(items=[AuditEntryOut.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/head", dependencies=[requires("audit:read")], responses=documented())
async def audit_head(deps: Wired) -> AuditHead:
    """The newest entry's number and hash. Keep them elsewhere: the log up to there cannot be changed unseen."""
    return AuditHead.of(await deps.audit.head(deps.project_id))


@router.get(
    "/export",
    dependencies=[requires("audit:read")],
    responses=documented() | _LINES,
    response_class=StreamingResponse,
)
async def export_audit_log(deps: Wired) -> StreamingResponse:
    """The whole log as JSON lines, oldest first; `millrace audit verify` checks it."""
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(deps), headers=headers, media_type="application/x-ndjson")


async def _lines(deps: Deps) -> AsyncIterator[bytes]:
    async for entry in deps.audit.export(deps.project_id):
        yield AuditEntryOut.of(entry).model_dump_json().encode() + b"\n"
