"""ApprovalStore on PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.approval_requests import PostgresApprovalRequests
from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import Pooled, transaction
from shared.adapters.postgres.tables import approvals, workflow_executions
from shared.approvals.records import Approval, ApprovalStatus, Decision
from shared.ids import is_id
from shared.ports import ApprovalStore, Page

_c, _e = approvals.c, workflow_executions.c


class PostgresApprovals(ApprovalStore):
    """Approvals; task tokens come and go as ciphertext."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._requests = PostgresApprovalRequests(Pooled(engine))

    async def ask(self, approval: Approval) -> None:
        """Keeps a new approval, or asks one that is there again under another token."""
        await self._requests.ask(approval)

    async def get(self, project_id: str | None, approval_id: str) -> Approval | None:
        if not is_id(approval_id):
            return None
        query = select(approvals).where(_c.id == approval_id)
        if project_id is not None:
            query = query.where(_c.project_id == project_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _approval(row)

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
        query = select(approvals).where(_c.project_id == project_id)
        if status is not None:
            query = query.where(_c.status == status.value)
        if execution_id is not None:
            query = query.where(_c.execution_id == execution_id)
        if cursor is not None:
            query = query.where(_c.id < decode_cursor(cursor))
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query.order_by(_c.id.desc()).limit(limit + 1))).all()
        return page(rows, limit, _approval)

    async def decide(self, approval: Approval, decision: Decision) -> bool:
        """False where it is not pending any more, or waits for another token."""
        pending = and_(
            _c.id == approval.id,
            _c.status == ApprovalStatus.PENDING.value,
            _c.token_digest == approval.token_digest,
        )
        status = ApprovalStatus.APPROVED if decision.approved else ApprovalStatus.REJECTED
        values = {
            "status": status.value,
            "approved": decision.approved,
            "decided_by": decision.by,
            "decided_at": decision.at,
            "comment": decision.comment,
            "form": decision.form,
        }
        async with transaction(self._engine) as connection:
            return (await connection.execute(update(approvals).where(pending).values(values))).rowcount == 1

    async def expire(self, execution_id: str, token_digest: str) -> None:
        """A decided approval stays decided."""
        waiting = and_(
            _c.execution_id == execution_id,
            _c.token_digest == token_digest,
            _c.status == ApprovalStatus.PENDING.value,
        )
        async with transaction(self._engine) as connection:
            await connection.execute(update(approvals).where(waiting).values(status=ApprovalStatus.EXPIRED.value))

    async def expire_ended(self, execution_id: str | None = None) -> int:
        """Nobody waits for what an execution asked that has ended."""
        ended = exists().where(_e.id == _c.execution_id, _e.completed_at.is_not(None))
        waiting = and_(_c.status == ApprovalStatus.PENDING.value, ended)
        if execution_id is not None:
            waiting = and_(waiting, _c.execution_id == execution_id)
        expired = update(approvals).where(waiting).values(status=ApprovalStatus.EXPIRED.value)
        async with transaction(self._engine) as connection:
            return (await connection.execute(expired)).rowcount

    async def undelivered(self, limit: int) -> Sequence[Approval]:
        """Oldest first."""
        query = select(approvals).where(_c.approved.is_not(None), ~_c.delivered).order_by(_c.id).limit(limit)
        async with transaction(self._engine) as connection:
            return [_approval(row) for row in await connection.execute(query)]

    async def delivered(self, approval: Approval) -> None:
        told = and_(_c.id == approval.id, _c.token_digest == approval.token_digest)
        async with transaction(self._engine) as connection:
            await connection.execute(update(approvals).where(told).values(delivered=True))


def _approval(row: Row[Any]) -> Approval:
    decision = None
    if row.approved is not None:
        decision = Decision(row.approved, row.decided_by, row.decided_at, row.comment or "", row.form)
    return Approval(
        id=row.id,
        project_id=row.project_id,
        execution_id=row.execution_id,
        workflow_id=row.workflow_id,
        workflow=row.workflow,
        node=row.node,
        title=row.title,
        description=row.description,
        form_schema=row.form_schema,
        approvers=row.approvers,
        sealed_token=row.sealed_token,
        token_digest=row.token_digest,
        created_at=row.created_at,
        status=ApprovalStatus(row.status),
        decision=decision,
    )
