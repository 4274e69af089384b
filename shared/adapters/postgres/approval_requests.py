"""ApprovalRequests on PostgreSQL, without SQLAlchemy: what the Lambda of approvals has."""

from dataclasses import asdict
from typing import Any

from shared.adapters.postgres.rows import document
from shared.adapters.postgres.session import Database
from shared.approvals.records import Approval
from shared.ports.approvals import ApprovalRequests

_ASK = """
INSERT INTO approvals (
    id, project_id, execution_id, workflow_id, workflow, node, title, description, form_schema, approvers, sealed_token,
    token_digest, created_at, status, delivered
)
VALUES (
    %(id)s, %(project_id)s, %(execution_id)s, %(workflow_id)s, %(workflow)s, %(node)s, %(title)s, %(description)s,
    %(form_schema)s, %(approvers)s, %(sealed_token)s, %(token_digest)s, %(created_at)s, %(status)s, false
)
ON CONFLICT (id) DO UPDATE
SET execution_id = excluded.execution_id, workflow_id = excluded.workflow_id, workflow = excluded.workflow,
    node = excluded.node, title = excluded.title, description = excluded.description,
    form_schema = excluded.form_schema, approvers = excluded.approvers, sealed_token = excluded.sealed_token,
    token_digest = excluded.token_digest, status = excluded.status, delivered = false,
    approved = NULL, decided_by = NULL, decided_at = NULL, comment = NULL, form = NULL
WHERE approvals.token_digest <> excluded.token_digest
"""


class PostgresApprovalRequests(ApprovalRequests):
    """Approvals that are asked for; task tokens come as ciphertext."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, approval: Approval) -> None:
        """Keeps a new approval, or asks one that is there again under another token."""
        async with self._database.transaction() as connection:
            await connection.execute(_ASK, _values(approval))


def _values(approval: Approval) -> dict[str, Any]:
    documents = {"form_schema": document(approval.form_schema), "approvers": document(approval.approvers)}
    return {**asdict(approval), **documents, "status": approval.status.value, "decision": None}
