"""The examples are workflows, and the events are what their workflows take."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.version import VERSION
from shared.workflow.definition import WorkflowDefinition
from shared.workflow.expressions import compiled, expressions_in
from shared.workflow.load import load_text

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/workflow.yaml"))
RECEIVER = "http://127.0.0.1:8099/"


def document(name: str) -> dict[str, Any]:
    return load_text((ROOT / "examples" / name / "workflow.yaml").read_text())


def event(name: str) -> Any:
    return json.loads((ROOT / "events" / name).read_text())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_a_workflow_named_like_its_folder(path):
    definition = WorkflowDefinition.model_validate(load_text(path.read_text()))
    assert definition.name == path.parent.name
    for _, source in expressions_in(definition.model_dump(by_alias=True)):
        compiled(source)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_calls_the_receiver_that_the_host_starts_and_nothing_else(path):
    """A URL that an expression builds from the input would let whoever sends the webhook choose where calls go."""
    nodes = document(path.parent.name)["nodes"]
    assert all(node["config"]["url"].startswith(RECEIVER) for node in nodes if node["type"] == "webhook")


@pytest.mark.parametrize(("name", "lines"), [("github-issue-triage", 80), ("hello", 30)])
def test_an_example_stays_short(name, lines):
    assert len((ROOT / "examples" / name / "workflow.yaml").read_text().splitlines()) < lines


def test_the_triage_example_has_what_it_shows():
    workflow = document("github-issue-triage")
    assert {"agent", "condition", "transform", "webhook"} == {node["type"] for node in workflow["nodes"]}
    assert len([edge for edge in workflow["edges"] if edge.get("case") == "urgent"]) == 2


def test_the_issue_event_has_githubs_shape_and_fits_the_example():
    path = ROOT / "events" / "github-issues-opened.json"
    body = event(path.name)
    assert 10_000 < path.stat().st_size < 16_000
    assert set(body) == {"action", "issue", "repository", "organization", "sender", "installation"}
    assert len(body["issue"]) >= 30
    assert len(body["repository"]) >= 80
    Draft202012Validator(document("github-issue-triage")["input_schema"]).validate({"body": body})


def test_the_headers_are_those_of_a_delivery():
    headers = event("github-issues-opened.headers.json")
    assert headers["X-GitHub-Event"] == "issues"
    assert headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert headers["Content-Type"] == "application/json"
    assert "X-Hub-Signature-256" not in headers  # each sender signs with its own secret


def test_the_version_is_that_of_the_project():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
