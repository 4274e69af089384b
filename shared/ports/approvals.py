"""What keeps approvals."""

from collections.abc import Sequence
from typing import Protocol

from shared.approvals.records import Approval, ApprovalStatus, Decision
from shared.ports.common import Page


class ApprovalRequests(Protocol):
    async def ask(self, approval: Approval) -> None:
        """Keeps a new approval. One that is there and waits for another token, because its node was tried again or
        others are asked now, is pending again under the new one. Raises StoreUnavailable."""


class ApprovalStore(ApprovalRequests, Protocol):
    async def get(self, project_id: str | None, approval_id: str) -> Approval | None:
        """The approval; of whatever project, without one: for who proves by a signed link that this one is theirs."""

    async def list(
        self,
        project_id: str,
        *,
        status: ApprovalStatus | None = None,
        execution_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Approval]:
        """Newest first. Raises InvalidParameter for a bad cursor."""

    async def decide(self, approval: Approval, decision: Decision) -> bool:
        """Keeps the decision on a pending approval that still waits for this token; False where it is too late."""

    async def expire(self, execution_id: str, token_digest: str) -> None:
        """Nobody waits for the token any more; a decided approval stays decided."""

    async def expire_ended(self, execution_id: str | None = None) -> int:
        """Lets what is pending of executions that have ended expire: of one, or of all; how many approvals that were.
        Raises StoreUnavailable."""

    async def undelivered(self, limit: int) -> Sequence[Approval]:
        """Decided ones of which nobody has noted that their execution was told."""

    async def delivered(self, approval: Approval) -> None:
        """Notes that the execution was told."""
