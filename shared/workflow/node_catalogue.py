"""The node types as data, from the models of the workflow definition: for the API, the console and the reference."""

from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, Field

from shared.workflow.definition import Node

_WORKERS = {"agent": "agent", "tool": "tool", "webhook": "http", "approval": "approval"}


class NodeType(BaseModel):
    """One node type: `schema` is the JSON Schema of a whole node of it."""

    type: str
    summary: str
    function: str | None = Field(description="The Lambda that does its work; null where the state machine does it.")
    node_schema: dict[str, Any] = Field(serialization_alias="schema")


@cache
def node_types() -> dict[str, NodeType]:
    """Every node type by its name, as the definition lists them."""
    union, _ = get_args(Node)
    found = [_node_type(model) for model in get_args(union)]
    return {each.type: each for each in found}


def _node_type(model: type[BaseModel]) -> NodeType:
    (name,) = get_args(model.model_fields["type"].annotation)
    schema = model.model_json_schema(by_alias=True)
    if "$ref" in schema:  # of a model that holds graphs, and so itself
        schema = schema["$defs"][model.__name__] | {"$defs": schema["$defs"]}
    return NodeType(type=name, summary=_summary(model), function=_WORKERS.get(name), node_schema=schema)


def _summary(model: type[BaseModel]) -> str:
    """What the model of its config says; of a union of them (`loop`), what each says."""
    annotation = model.model_fields["config"].annotation
    configs = get_args(annotation) or (annotation,)
    return " ".join(" ".join((each.__doc__ or "").split()) for each in configs)
