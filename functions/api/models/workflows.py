"""Workflows, as the API shows them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from functions.api.models.common import Body, DiagnosticOut, Timestamp
from shared.errors import Diagnostic
from shared.workflow import records
from shared.workflow.records import WorkflowStatus

DEFINITION_EXAMPLE: dict[str, Any] = {
    "name": "greet",
    "input_schema": {"type": "object", "required": ["who"], "properties": {"who": {"type": "string"}}},
    "nodes": [{"id": "hello", "type": "transform", "config": {"output": "{% 'Hello, ' & $input.who %}"}}],
    "output": "{% $hello %}",
}


class WorkflowOut(BaseModel):
    """A workflow with its newest definition."""

    id: str = Field(examples=["01923e5a-7c1f-7d2e-9a4b-3f1c5d7e9b02"])
    project_id: str
    name: str = Field(examples=["greet"])
    description: str
    status: WorkflowStatus
    version: int = Field(ge=1, description="The newest version; each change of the definition adds one.")
    definition: dict[str, Any] = Field(examples=[DEFINITION_EXAMPLE])
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, workflow: records.Workflow) -> "WorkflowOut":
        """The stored workflow as the API shows it."""
        return cls.model_validate(workflow, from_attributes=True)


class PublishedWorkflow(WorkflowOut):
    """The answer to a definition: what the compiler warns of comes along."""

    warnings: list[DiagnosticOut]

    @classmethod
    def after(cls, workflow: records.Workflow, warnings: list[Diagnostic]) -> "PublishedWorkflow":
        """The workflow, and the warnings of the definition that was just sent."""
        shown = WorkflowOut.of(workflow)
        return cls(**dict(shown), warnings=[DiagnosticOut(**each.as_dict()) for each in warnings])


class VersionOut(BaseModel):
    """One immutable version, with the Amazon States Language that it compiles to."""

    workflow_id: str
    version: int
    definition: dict[str, Any] = Field(examples=[DEFINITION_EXAMPLE])
    asl: dict[str, Any] = Field(examples=[{"QueryLanguage": "JSONata", "StartAt": "hello", "States": {}}])
    digest: str = Field(description="SHA-256 of the canonical ASL, hex.")
    created_at: Timestamp


class Validation(BaseModel):
    """What the compiler says of a definition; nothing is stored."""

    valid: bool
    diagnostics: list[DiagnosticOut]
    asl: dict[str, Any] | None = Field(description="The compiled state machine, where the definition is valid.")


class ExecuteBody(Body):
    input: Any = Field(default_factory=dict, examples=[{"who": "world"}])
    priority: Literal["low", "normal", "high"] = Field(
        default="normal", description="Which of the waiting executions begin first."
    )
    replay: str | None = Field(
        default=None,
        max_length=64,
        description="An execution of this workflow: agents are given what they were told in it, and ask no model.",
    )


class Started(BaseModel):
    """The answer to a start. With `duplicate`, the id is that of the execution that the key started earlier."""

    execution_id: str = Field(examples=["01923e5a-9d20-7b3c-8e11-6a2f4c8d0e15"])
    status: str = Field(examples=["queued"])
    duplicate: bool
