"""Telling executions of decisions that are kept."""

import logging
from typing import Any

from shared.approvals.records import Approval, Decision
from shared.clock import iso
from shared.errors import ConfigInvalid
from shared.executions.records import TaskCompletion
from shared.ports import ApprovalStore, SecretBox, TaskCompletions

log = logging.getLogger(__name__)


async def tell(
    approval: Approval,
    decision: Decision,
    *,
    approvals: ApprovalStore,
    completions: TaskCompletions,
    secrets: SecretBox,
) -> None:
    """Tells the execution of a decision that is kept; it is told once, however often this is done."""
    token = secrets.decrypt(approval.sealed_token)
    output = output_of(decision)
    await completions.submit(TaskCompletion(approval.execution_id, token, "succeeded", decision.at, output))
    await approvals.delivered(approval)


async def tell_all(*, approvals: ApprovalStore, completions: TaskCompletions, secrets: SecretBox) -> None:
    """Tells of decisions between whose keeping and telling a process ended. Raises StoreUnavailable."""
    told = True
    while told:
        told = False
        for approval in await approvals.undelivered(100):
            if approval.decision is None:
                continue
            try:
                await tell(approval, approval.decision, approvals=approvals, completions=completions, secrets=secrets)
                told = True
            except ConfigInvalid as error:  # it keeps no other waiting
                log.warning("a decision cannot be told", extra={"approval_id": approval.id, "reason": error.message})


def output_of(decision: Decision) -> dict[str, Any]:
    """The output of the approval node."""
    return {
        "approved": decision.approved,
        "by": decision.by,
        "at": iso(decision.at),
        "comment": decision.comment,
        "form": decision.form,
    }
