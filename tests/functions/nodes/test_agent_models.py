"""Which model an agent runs on, and the stand-in for when there is none."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from functions.nodes.agent import demo
from functions.nodes.agent.core import AgentDeps, run
from functions.nodes.agent.models import DEMO_MODEL, resolve
from functions.nodes.agent.sample import sample
from shared.errors import ModelRefused
from shared.workflow.load import load_text

ROOT = Path(__file__).parents[3]
OPENAI = {"OPENAI_API_KEY": "k"}
COMPATIBLE = {"OPENAI_BASE_URL": "http://models.corp/v1"}
ANTHROPIC = {"ANTHROPIC_API_KEY": "k"}
AWS = {"AWS_PROFILE": "dev", "AWS_REGION": "eu-central-1"}


@pytest.mark.parametrize(
    ("model", "default", "environment", "resolved"),
    [
        ("default", None, {}, DEMO_MODEL),
        ("default", None, {"OPENAI_API_KEY": ""}, DEMO_MODEL),
        ("default", None, {"AWS_PROFILE": "dev"}, DEMO_MODEL),  # no region, so Bedrock can not be called
        ("default", None, OPENAI | ANTHROPIC | AWS, "openai:gpt-6-luna"),
        ("default", None, ANTHROPIC | AWS, "anthropic:claude-haiku-5-5"),
        ("default", None, AWS, "bedrock:global.anthropic.claude-haiku-5-5"),
        ("default", "anthropic:claude-x", OPENAI | ANTHROPIC, "anthropic:claude-x"),
        ("default", "openai:llama3.2:3b", COMPATIBLE, "openai:llama3.2:3b"),
        ("default", "qwen2.5:7b", COMPATIBLE, "openai:qwen2.5:7b"),
        ("openai:x", "anthropic:y", OPENAI, "openai:x"),
        (DEMO_MODEL, None, OPENAI, DEMO_MODEL),
    ],
)
def test_resolution(model, default, environment, resolved):
    assert resolve(model, default, environment) == resolved


@pytest.mark.parametrize(
    ("model", "default", "environment", "fix"),
    [
        ("openai:x", None, {}, "OPENAI_API_KEY"),
        ("anthropic:x", None, OPENAI, "ANTHROPIC_API_KEY"),
        ("bedrock:x", None, {"AWS_PROFILE": "dev"}, "AWS_REGION"),
        ("default", "openai:x", {}, "OPENAI_API_KEY"),
        ("default", None, COMPATIBLE, "MILLRACE_DEFAULT_MODEL=openai:<name>"),
        ("gpt-6", None, OPENAI, "provider:name"),
        ("openai:", None, OPENAI, "provider:name"),
        ("mistral:x", None, OPENAI, "OPENAI_BASE_URL"),
        ("demo:other", None, {}, DEMO_MODEL),
    ],
)
def test_a_model_that_can_not_be_called_says_what_to_set(model, default, environment, fix):
    with pytest.raises(ModelRefused, match=fix):
        resolve(model, default, environment)


@pytest.fixture
def stand_in(node_call):
    async def ask(**config):
        return await run(node_call("agent", {"prompt": "Typo in the docs", **config}), AgentDeps(environment={}))

    return ask


async def test_the_stand_in_says_that_it_is_one(stand_in):
    result = await stand_in()
    assert result.meta["model"] == DEMO_MODEL
    assert result.meta["stand_in"] is True
    assert "no language model was called" in result.meta["note"]
    assert "stand-in" in result.output


async def test_the_stand_in_triages_the_event_by_the_schema_of_the_example(stand_in):
    workflow = load_text((ROOT / "examples/github-issue-triage/workflow.yaml").read_text())
    issue = json.loads((ROOT / "events/github-issues-opened.json").read_text())["issue"]
    schema = workflow["nodes"][0]["config"]["output_schema"]
    results = [(await stand_in(prompt=issue, output_schema=schema)).output for _ in range(2)]
    assert results[0] == results[1]
    Draft202012Validator(schema).validate(results[0])
    assert results[0]["category"] == "bug"
    assert results[0]["urgency"] >= 8
    assert "database" in results[0]["labels"]
    assert results[0]["summary"].startswith(issue["title"])


@pytest.mark.parametrize(
    ("title", "body", "category", "urgency"),
    [
        ("Typo in the README", "recieve", "docs", 2),
        ("Token leaks: CVE-2026-1", "security hole", "security", 9),
        ("Crash on start", "Traceback", "bug", 8),
        ("Dark mode", "Would be nice to have as a feature", "feature", 2),
        ("How do I log in?", None, "question", 3),
        ("Strange", "", "question", 3),
    ],
)
def test_triage_by_words(title, body, category, urgency):
    found = demo.triage(demo.read_issue(json.dumps({"issue": {"title": title, "body": body}})))
    assert (found["category"], found["urgency"]) == (category, urgency)


def test_an_issue_is_read_from_text_too():
    assert demo.read_issue("# Crash on start\n\nIt crashes.") == demo.Issue("Crash on start", "It crashes.")
    assert demo.read_issue("[1, 2]") == demo.Issue("[1, 2]", "")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        {"enum": ["a", "b"]},
        {"type": ["null", "string"], "minLength": 30},
        {"type": "string", "format": "date-time", "maxLength": 50},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "integer", "minimum": 5, "maximum": 6},
        {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        {"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"const": 7}}},
        {"type": "object", "allOf": [{"required": ["y"]}], "properties": {"y": {"default": "d"}}},
        {"type": "object", "properties": {"labels": {"type": "array", "items": {"enum": ["docs"]}, "maxItems": 1}}},
        {
            "type": "object",
            "required": ["next"],
            "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "child": {"$ref": "#"}},
        },
    ],
)
async def test_the_stand_in_answers_other_schemas(schema):
    Draft202012Validator(schema).validate(sample(schema, demo.triage(demo.Issue("Typo", ""))))


async def test_the_stand_in_refuses_what_it_can_not_make_up(stand_in):
    schema = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "pattern": "^[0-9]{9}$"}}}
    with pytest.raises(ModelRefused, match=r"simple schemas only.*Set a model"):
        await stand_in(output_schema=schema)
