"""Deciding an approval: the decision is kept first, then its execution is told, which can be done again."""

import orjson

from shared.approvals.records import Approval, ApprovalStatus, Decision
from shared.approvals.telling import tell
from shared.clock import iso
from shared.errors import ApprovalClosed
from shared.executions.validation import check_input
from shared.ports import ApprovalStore, SecretBox, TaskCompletions


async def decide(
    approval: Approval,
    decision: Decision,
    *,
    approvals: ApprovalStore,
    completions: TaskCompletions,
    secrets: SecretBox,
) -> None:
    """Keeps the decision, and lets the execution go on with it. The same decision may be sent again.

    Raises:
        ApprovalClosed: it was decided otherwise before, or nobody waits for it any more.
        InvalidInput: the form breaks the form_schema.
        StoreUnavailable: send it again.
    """
    if decision.approved or decision.form is not None:  # who rejects need not fill in the form
        check_input(approval.form_schema, decision.form, len(orjson.dumps(decision.form)), root="form")
    if not await approvals.decide(approval, decision):
        now = await approvals.get(approval.project_id, approval.id)
        if now is None or now.decision is None or not _same(now.decision, decision):
            raise _closed(now or approval)
        approval, decision = now, now.decision
    await tell(approval, decision, approvals=approvals, completions=completions, secrets=secrets)


def _same(had: Decision, new: Decision) -> bool:
    return (had.approved, had.by, had.comment, had.form) == (new.approved, new.by, new.comment, new.form)


def _closed(approval: Approval) -> ApprovalClosed:
    decision = approval.decision
    if decision is not None:
        words = f"It was {approval.status.value} by {decision.by} at {iso(decision.at)}."
        return ApprovalClosed(words, status=approval.status.value, by=decision.by, at=iso(decision.at))
    if approval.status is ApprovalStatus.EXPIRED:
        words = "Nobody waits for the decision any more: its time was over, or the execution has ended."
    else:
        words = "Somebody else is asked now; look at the approval again."
    return ApprovalClosed(words, status=approval.status.value)
