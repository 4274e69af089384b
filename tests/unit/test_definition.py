"""The wire model of a workflow: what it takes, what it refuses, and that the published schema says the same."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from shared.workflow.definition import WorkflowDefinition, json_schema

ROOT = Path(__file__).parents[2]

CONFIGS: dict[str, dict[str, Any]] = {
    "agent": {"prompt": "{% $input %}", "output_schema": {"type": "object"}, "budget": {"dollars": 0.5}},
    "tool": {"tool": "slack.post_message", "connection": "ops", "arguments": {"text": "hi"}},
    "transform": {"output": {"total": "{% $sum($input.prices) %}"}},
    "condition": {"cases": [{"case": "urgent", "when": "{% $input.urgency > 7 %}"}], "default": "normal"},
    "loop": {
        "kind": "for_each",
        "items": "{% $input.items %}",
        "body": {"nodes": [{"id": "inner", "type": "transform", "config": {"output": "{% $item %}"}}]},
    },
    "parallel": {"branches": {"one": {"nodes": [{"id": "inner", "type": "transform", "config": {"output": 1}}]}}},
    "webhook": {"url": "https://example.com", "method": "PUT", "headers": {"x": "y"}, "body": [1, None]},
    "delay": {"seconds": 5},
    "approval": {"title": "Refund?", "form_schema": {"type": "object"}, "approvers": ["ada@example.com"]},
    "workflow": {"workflow": "other-one", "wait": False},
}


def workflow(**changes: Any) -> dict[str, Any]:
    return {"name": "example", "nodes": [{"id": "a", "type": "transform", "config": {"output": 1}}]} | changes


def node(**changes: Any) -> dict[str, Any]:
    return workflow(nodes=[{"id": "a", "type": "transform", "config": {"output": 1}} | changes])


WHILE = {
    "kind": "while",
    "condition": "{% $index < 3 %}",
    "body": {"nodes": [{"id": "inner", "type": "transform", "config": {"output": 1}}]},
}
ACCEPTED = {
    **{kind: node(type=kind, config=config) for kind, config in CONFIGS.items()},
    "while": node(type="loop", config=WHILE),
    "retry": node(retry={"max_attempts": 5, "backoff_rate": 1.5}, timeout_seconds=30, on_error="continue"),
    "notes": node(name="Total", notes="why", position={"x": 1, "y": -2.5}, cache={"key": "{% $input.id %}"}),
    "edges": workflow(edges=[{"from": "a", "to": "b", "case": "x"}, {"from": "a", "to": "c", "error": True}]),
    "settings": workflow(settings={"mode": "express", "optimize": False, "max_concurrency": 3}),
    "input schema": workflow(input_schema={"type": "object", "required": ["id"]}, output="{% $a %}"),
}
REFUSED = {
    "misspelt field": (workflow(node=[]), "node"),
    "misspelt config": (node(config={"outptu": 1}), "nodes.0.transform.config.outptu"),
    "unknown type": (node(type="lambda"), "nodes.0"),
    "no nodes": (workflow(nodes=[]), "nodes"),
    "no name": ({"nodes": workflow()["nodes"]}, "name"),
    "name with capitals": (workflow(name="Example"), "name"),
    "name too long": (workflow(name="a" * 65), "name"),
    "id with a dash": (node(id="a-b"), "nodes.0.transform.id"),
    "id with a digit first": (node(id="1a"), "nodes.0.transform.id"),
    "no attempts": (node(retry={"max_attempts": 0}), "nodes.0.transform.retry.max_attempts"),
    "unknown error policy": (node(on_error="ignore"), "nodes.0.transform.on_error"),
    "edge without target": (workflow(edges=[{"from": "a"}]), "edges.0.to"),
    "case that is no expression": (
        node(type="condition", config={"cases": [{"case": "x", "when": "$a > 1"}]}),
        "nodes.0.condition.config.cases.0.when",
    ),
    "unknown method": (node(type="webhook", config={"url": "x", "method": "TRACE"}), "nodes.0.webhook.config.method"),
    "no timeout": (workflow(settings={"timeout_seconds": 0}), "settings.timeout_seconds"),
}


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    published = json_schema()
    Draft202012Validator.check_schema(published)
    return Draft202012Validator(published)


def test_every_node_type_has_an_example_here():
    published = json_schema()["$defs"]
    types = {d["properties"]["type"]["const"] for name, d in published.items() if name.endswith("Node")}

    assert types == set(CONFIGS)


@pytest.mark.parametrize("name", ACCEPTED)
def test_model_and_schema_accept(name: str, schema: Draft202012Validator):
    WorkflowDefinition.model_validate(ACCEPTED[name])

    assert [error.message for error in schema.iter_errors(ACCEPTED[name])] == []


@pytest.mark.parametrize("name", REFUSED)
def test_model_and_schema_refuse(name: str, schema: Draft202012Validator):
    document, where = REFUSED[name]
    with pytest.raises(ValidationError) as caught:
        WorkflowDefinition.model_validate(document)

    assert where in {".".join(map(str, error["loc"])) for error in caught.value.errors()}
    assert not schema.is_valid(document)


def test_every_mistake_is_found_at_once():
    document = workflow(name="No", nodes=[{"id": "1", "type": "transform", "config": {}}], edges=[{"to": "x"}], extra=1)
    with pytest.raises(ValidationError) as caught:
        WorkflowDefinition.model_validate(document)

    assert caught.value.error_count() == 5


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_definition_survives_being_stored(name: str):
    definition = WorkflowDefinition.model_validate(ACCEPTED[name])
    stored = orjson.loads(orjson.dumps(definition.model_dump(mode="json", by_alias=True)))

    assert WorkflowDefinition.model_validate(stored) == definition


def test_the_published_schema_is_current():
    published = orjson.loads((ROOT / "docs" / "workflow.schema.json").read_bytes())

    assert published == json_schema(), "run `make docs`"
