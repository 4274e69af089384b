"""The node type `approval`: writes down who is asked what. Deciding completes the task token that the call brings.

An agent's tool that asks first is asked about in the same way; there the call's config is that of the tool.
"""

import hashlib
from dataclasses import dataclass

from shared.approvals.records import Approval
from shared.clock import Clock
from shared.connections.kinds import Credentials
from shared.errors import NodeBug, NodeStoreUnavailable, StoreUnavailable
from shared.ids import derived_id
from shared.ports import ApprovalRequests, SecretBox
from shared.workflow.definition import ApprovalConfig
from shared.workflow.node_call import NodeCall, NodeResult
from shared.workflow.node_config import config_of

ESCALATED = "escalated"


@dataclass(frozen=True, slots=True)
class ApprovalDeps:
    """What the core needs of the world."""

    approvals: ApprovalRequests
    secrets: SecretBox
    clock: Clock


async def run(call: NodeCall, deps: ApprovalDeps, *, credentials: Credentials | None = None) -> NodeResult:
    """Asks. The output only says which approval it is; the node's output is the decision.

    Raises:
        NodeConfigInvalid: the evaluated config is not an approval's.
        NodeStoreUnavailable: the approval could not be kept.
    """
    del credentials  # an approval calls nobody
    if call.task_token is None:
        raise NodeBug("An approval was called without a task token, so nobody could answer it.")
    config = config_of(call, ApprovalConfig)
    approval = Approval(
        id=approval_id(call),
        project_id=call.execution.project_id,
        execution_id=call.execution.id,
        workflow_id=call.execution.workflow_id,
        workflow=call.execution.workflow,
        node=call.node,
        title=str(config.title),
        description=str(config.description),
        form_schema=config.form_schema,
        approvers=[str(each) for each in config.approvers],
        sealed_token=deps.secrets.encrypt(call.task_token),
        token_digest=hashlib.sha256(call.task_token.encode()).hexdigest(),
        created_at=deps.clock.now(),
    )
    try:
        await deps.approvals.ask(approval)
    except StoreUnavailable as error:
        raise NodeStoreUnavailable(error.message) from None
    return NodeResult(output={"approval_id": approval.id}, meta={"approvers": approval.approvers})


def approval_id(call: NodeCall) -> str:
    """The same for every attempt, and for those who are asked in the place of others."""
    key = call.idempotency_key if call.step != ESCALATED else call.model_copy(update={"step": None}).idempotency_key
    return derived_id(call.execution.id, f"approval/{key}")
