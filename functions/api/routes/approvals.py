"""Approvals: what people are asked, and what they answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.approvals import ApprovalLink, ApprovalOut, Decide
from functions.api.models.common import Listed
from functions.api.requests import Cursor, Id, JsonRoute, Limit, checked_id
from shared.approvals.deciding import decide
from shared.approvals.records import Approval, ApprovalStatus, Decision
from shared.errors import InvalidParameter, NotFound
from shared.ids import is_id

router = APIRouter(prefix="/api/approvals", tags=["approvals"], route_class=JsonRoute)


async def _found(approval_id: Id, deps: Wired) -> Approval:
    approval = await deps.approvals.get(deps.project_id, checked_id("approval", approval_id))
    if approval is None:
        raise NotFound(f"There is no approval '{approval_id}'. GET /api/approvals lists those that are.")
    return approval


@router.get("", dependencies=[requires("approvals:read")], responses=documented())
async def list_approvals(
    deps: Wired,
    status: Annotated[ApprovalStatus | None, Query(description="In this status only.")] = None,
    execution_id: Annotated[str | None, Query(description="Of this execution only.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[ApprovalOut]:
    """Newest first."""
    if execution_id is not None and not is_id(execution_id):
        raise InvalidParameter(f"execution_id is '{execution_id[:64]}'; it must be the id of an execution, a UUID.")
    page = await deps.approvals.list(
        deps.project_id, status=status, execution_id=execution_id, limit=limit, cursor=cursor
    )
    return Listed(items=[ApprovalOut.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/{approval_id}", dependencies=[requires("approvals:read")], responses=documented(404))
async def get_approval(approval: Annotated[Approval, Depends(_found)]) -> ApprovalOut:
    """One approval, with the decision where there is one."""
    return ApprovalOut.of(approval)


@router.post("/{approval_id}/decide", dependencies=[requires("approvals:write")], responses=documented(400, 404, 409))
async def decide_approval(approval: Annotated[Approval, Depends(_found)], body: Decide, deps: Wired) -> ApprovalOut:
    """Approves or rejects; the execution goes on at once. The same decision may be sent again."""
    decision = Decision(body.approved, await _who(deps, body.by), deps.clock.now(), body.comment, body.form)
    await decided(deps, approval, decision)
    return ApprovalOut.of(await _found(approval.id, deps))


@router.get("/{approval_id}/links", dependencies=[requires("approvals:write")], responses=documented(404))
async def approval_links(
    approval: Annotated[Approval, Depends(_found)], request: Request, deps: Wired
) -> list[ApprovalLink]:
    """A signed link for each approver, by which they decide without an account, for 14 days."""
    base, now = str(request.base_url).rstrip("/"), deps.clock.now()
    paths = {each: deps.approval_links.path(approval.id, each, now) for each in approval.approvers}
    return [ApprovalLink(approver=approver, url=f"{base}{path}") for approver, path in paths.items()]


async def decided(deps: Deps, approval: Approval, decision: Decision) -> None:
    """Decides over the app's stores. Raises as `deciding.decide`."""
    await decide(approval, decision, approvals=deps.approvals, completions=deps.completions, secrets=deps.secrets)


async def _who(deps: Deps, named: str | None) -> str:
    """Who decides: the user who signed in. A machine names the person that it speaks for, or else stands for itself.

    Raises:
        InvalidParameter: a user names somebody else.
    """
    principal = deps.principal
    if principal is None or principal.kind != "user":
        return named or f"{principal.kind} {principal.id}" if principal else ""
    user = await deps.access.members.user(principal.id)
    email = user.email if user else principal.id
    if named not in (None, email):
        raise InvalidParameter(f"`by` is '{named}', and you are {email}. Leave it out: a decision is one's own.")
    return email
