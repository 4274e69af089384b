"""Approvals, as the API shows them."""

from typing import Any

from pydantic import BaseModel, Field

from functions.api.models.common import Body, Timestamp
from shared.approvals.records import Approval, ApprovalStatus


class DecisionOut(BaseModel):
    """What was said, by whom and when."""

    approved: bool
    by: str = Field(examples=["ada@example.com"])
    at: Timestamp
    comment: str
    form: Any


class ApprovalOut(BaseModel):
    """A question to people, for which an execution waits."""

    id: str
    execution_id: str
    workflow_id: str
    workflow: str = Field(examples=["refund"])
    node: str = Field(examples=["sign_off"])
    title: str = Field(examples=["Refund 120 EUR?"])
    description: str
    form_schema: dict[str, Any] | None = Field(description="JSON Schema of what an approval must fill in.")
    approvers: list[str] = Field(description="Who is asked, as the workflow names them.")
    status: ApprovalStatus
    decision: DecisionOut | None
    created_at: Timestamp

    @classmethod
    def of(cls, approval: Approval) -> "ApprovalOut":
        """The approval without its task token."""
        return cls.model_validate(approval, from_attributes=True)


class ApprovalLink(BaseModel):
    """Whoever has the link decides as this approver: send it to them alone."""

    approver: str
    url: str


class Decide(Body):
    """A decision. It cannot be taken back."""

    approved: bool
    by: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="For whom an API key decides. Who signed in with a password decides for themselves.",
        examples=["ada@example.com"],
    )
    comment: str = Field(default="", max_length=5_000)
    form: Any = Field(default=None, description="As form_schema of the approval demands.")
