"""Stored approvals."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ApprovalStatus(StrEnum):
    """pending → one of the other three; a pending one that its execution gave up (time-out, cancel) is expired."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said; also the output of the approval node, with `at` as RFC 3339."""

    approved: bool
    by: str
    at: datetime
    comment: str = ""
    form: Any = None


@dataclass(frozen=True, slots=True)
class Approval:
    id: str
    """Derived from the node's call: asking again, after a crash or a retry, makes no second one."""
    project_id: str
    execution_id: str
    workflow_id: str
    workflow: str
    node: str
    title: str
    description: str
    form_schema: dict[str, Any] | None
    approvers: list[str]
    sealed_token: bytes = field(repr=False)
    """The task token, as ciphertext: who has it can decide."""
    token_digest: str
    """SHA-256 of the task token."""
    created_at: datetime
    status: ApprovalStatus = ApprovalStatus.PENDING
    decision: Decision | None = None
