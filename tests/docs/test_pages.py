"""Pages agree with the code: files that they show, links, settings, exit codes, the map of the tree."""

import re
from pathlib import Path

import pytest
import yaml

from local.cli.failures import ExitCode
from shared.errors import NodeError, tree
from shared.settings import Settings
from shared.workflow.definition import json_schema
from tests.architecture.test_layout import tracked
from tests.docs.extract import ROOT, Block, all_blocks, blocks, pages

SHOWN = [block for block in all_blocks() if "title" in block.marks]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.where)
def test_a_file_is_shown_as_it_is(block: Block):
    assert block.text == (ROOT / block.marks["title"]).read_text()


def test_the_first_workflow_is_shown_and_short():
    (block,) = [block for block in SHOWN if block.file == "README.md"]

    assert len(block.text.splitlines()) < 30


def test_the_demos_output_shows_every_node_of_the_example():
    example = yaml.safe_load((ROOT / "examples" / "github-issue-triage" / "workflow.yaml").read_text())
    (output, *_) = [block.text for block in all_blocks() if (block.file, block.language) == ("README.md", "text")]
    shown = re.findall(r"^  ✓ (.*?)  +(\w+) ", output, re.MULTILINE)

    assert sorted(shown) == sorted((node["name"], node["type"]) for node in example["nodes"])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path):
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link and not link.startswith("mailto:")]

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_setting_is_documented_with_its_default():
    text = (ROOT / "docs" / "operate.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", text, re.MULTILINE))
    expected = {}
    for name, field in Settings.model_fields.items():
        of_others = name.startswith("langfuse_") or name in ("database_url", "redis_url")
        variable = name.upper() if of_others else f"MILLRACE_{name.upper()}"
        expected[variable] = "none" if field.default in (None, "") else f"`{field.default}`"

    assert {variable: rows.get(variable, "").strip() for variable in expected} == expected


def test_every_exit_code_is_documented():
    text = (ROOT / "docs" / "operate.md").read_text()

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == {code.value for code in ExitCode}


def test_the_map_shows_every_folder():
    text = (ROOT / "README.md").read_text()
    shown = set(re.findall(r"^([\w.]+)/ ", text, re.MULTILINE))

    assert shown == {path.parts[0] for path in tracked() if len(path.parts) > 1}


def test_every_node_type_is_documented():
    text = (ROOT / "docs" / "authoring.md").read_text()
    types = {
        definition["properties"]["type"]["const"]
        for name, definition in json_schema()["$defs"].items()
        if name.endswith("Node")
    }

    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) >= types


def test_every_error_of_a_node_is_documented():
    text = (ROOT / "docs" / "authoring.md").read_text()
    names = {error.__name__ for error in tree(NodeError) if error.__module__ == NodeError.__module__}

    assert {name for name in names - {"NodeError"} if f"`{name}`" not in text} == set()


def test_blocks_are_read_with_language_marks_and_line():
    text = 'a\n\n```sh notest="it waits"\nmake run\n```\n\n```yaml title="x.yaml"\nname: x\n```\n'

    first, second = blocks(text, "page.md")
    assert (first.language, first.marks, first.text, first.where) == (
        "sh",
        {"notest": "it waits"},
        "make run\n",
        "page.md:3",
    )
    assert (second.marks, second.text) == ({"title": "x.yaml"}, "name: x\n")
