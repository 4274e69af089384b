"""Imports of other products' workflows, as the API shows them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.api.models.workflows import DEFINITION_EXAMPLE

N8N_EXAMPLE: dict[str, Any] = {
    "name": "Greet",
    "nodes": [
        {"name": "Webhook", "type": "n8n-nodes-base.webhook", "typeVersion": 2, "parameters": {"path": "greet"}},
        {
            "name": "Edit Fields",
            "type": "n8n-nodes-base.set",
            "typeVersion": 3.4,
            "parameters": {
                "assignments": {
                    "assignments": [{"name": "text", "type": "string", "value": "=Hello, {{ $json.body.who }}!"}]
                }
            },
        },
    ],
    "connections": {"Webhook": {"main": [[{"node": "Edit Fields", "type": "main", "index": 0}]]}},
}


class ReportLineOut(BaseModel):
    """One thing to know about an import. `todo`: a person must act; `check`: it may mean something else than before."""

    model_config = ConfigDict(from_attributes=True)

    level: Literal["todo", "check", "note"]
    code: str = Field(examples=["node.placeholder"])
    message: str
    node: str | None = Field(description="The name of the node in the other product.", examples=["Edit Fields"])
    type: str | None = Field(description="Its type there.", examples=["n8n-nodes-base.set"])
    id: str | None = Field(description="The node's id in the definition.", examples=["edit_fields"])
    todo: str | None = Field(description="What to do about it.")


class TriggerSuggestionOut(BaseModel):
    """What starts the workflow in the other product."""

    model_config = ConfigDict(from_attributes=True)

    type: str = Field(examples=["webhook"])
    name: str = Field(examples=["Webhook"])
    config: dict[str, Any]
    sample: Any = Field(description="An input that was kept with the workflow for trying it out.")


class ImportedOut(BaseModel):
    """A translated definition; nothing is stored."""

    model_config = ConfigDict(from_attributes=True)

    definition: dict[str, Any] = Field(examples=[DEFINITION_EXAMPLE])
    triggers: list[TriggerSuggestionOut]
    report: list[ReportLineOut]
    translated: int = Field(description="How many nodes were translated.", ge=0)
    placeholders: int = Field(description="How many became nodes that fail until somebody replaces them.", ge=0)
