"""The page behind an approval's signed link. No account is needed: the signature is what proves who decides."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from functions.api.deps import Deps, Wired
from functions.api.pages.approval_form import POLICY, question, read_form, told
from functions.api.requests import Id, checked_id
from functions.api.routes.approvals import decided
from shared.approvals.records import Approval, ApprovalStatus, Decision
from shared.errors import ApprovalClosed, InvalidInput, MalformedRequest, NotFound

router = APIRouter(prefix="/approvals", include_in_schema=False, default_response_class=HTMLResponse)

_HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_MAX_FORM_BYTES = 64 * 1024

For = Annotated[str, Query(alias="for", max_length=500)]
Until = Annotated[int, Query(ge=0, lt=2**40)]
Sign = Annotated[str, Query(max_length=100)]


@router.get("/{approval_id}")
async def show(approval_id: Id, deps: Wired, approver: For, until: Until, sign: Sign) -> HTMLResponse:
    """Asks; changes nothing."""
    approval = await _linked(deps, approval_id, approver, until, sign)
    if approval.status is not ApprovalStatus.PENDING:
        return _page(told(approval, _outcome(approval)))
    return _page(question(approval, approver))


@router.post("/{approval_id}")
async def answer(
    *, approval_id: Id, request: Request, deps: Wired, approver: For, until: Until, sign: Sign
) -> HTMLResponse:
    """Takes the decision."""
    approval = await _linked(deps, approval_id, approver, until, sign)
    body = await request.body()
    if len(body) > _MAX_FORM_BYTES:
        raise MalformedRequest(f"The form is {len(body)} bytes; at most {_MAX_FORM_BYTES} are taken in.")
    sent = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    choice = sent.get("decision")
    if choice not in ("approve", "reject"):
        raise MalformedRequest("`decision` must be 'approve' or 'reject'; use the buttons of the page.")
    form = read_form(approval, sent) if choice == "approve" else None
    decision = Decision(choice == "approve", approver, deps.clock.now(), sent.get("comment", "")[:5_000], form)
    try:
        await decided(deps, approval, decision)
    except ApprovalClosed as error:
        return _page(told(approval, error.message), 409)
    except InvalidInput as error:
        return _page(told(approval, f"{error.message} Go back, and correct it."), 422)
    return _page(told(approval, f"You have {'approved' if decision.approved else 'rejected'} this. Thank you."))


async def _linked(deps: Deps, approval_id: str, approver: str, until: int, sign: str) -> Approval:
    """The approval that the link is for. Raises Unauthenticated; and NotFound, but only with a valid signature."""
    checked_id("approval", approval_id)
    deps.approval_links.check(approval_id, approver, until, sign, deps.clock.now())
    approval = await deps.approvals.get(None, approval_id)
    if approval is None:
        raise NotFound("This approval does not exist any more.")
    if approver not in approval.approvers:
        raise ApprovalClosed("Others are asked now.", status=approval.status.value)
    return approval


def _outcome(approval: Approval) -> str:
    if approval.decision is None:
        return "Nobody waits for a decision any more."
    return f"It was {approval.status.value} by {approval.decision.by}."


def _page(content: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(content, status, _HEADERS)
