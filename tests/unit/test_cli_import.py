"""`millrace import`: exit codes, where the definition and the report go, and YAML that reads back as it was."""

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cli.app import run
from local.cli.imports import as_yaml
from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from tests.importers.files import FILES, imported

EXAMPLE = Path(__file__).parents[2] / "examples" / "from-n8n" / "orders.json"
NOTHING = {"name": "x", "nodes": [{"name": "A", "type": "n8n-nodes-base.slack", "typeVersion": 2, "parameters": {}}]}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


def test_the_definition_goes_to_the_file_and_the_report_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    target = tmp_path / "orders.yaml"

    assert run(["import", str(EXAMPLE), "-o", str(target)]) == 0

    shown = capsys.readouterr()
    header, *rows = [line.split("\t") for line in shown.out.splitlines()]
    assert header == ["LEVEL", "NODE", "TYPE", "WHAT", "TO DO"]
    assert ["note", "Webhook", "n8n-nodes-base.webhook"] in [row[:3] for row in rows]
    assert "5 nodes translated, 0 placeholders" in shown.err
    assert compile_workflow(load_text(target.read_text())).definition.name == "order-alerts"


def test_without_a_file_standard_output_has_the_definition_alone(capsys: pytest.CaptureFixture[str]):
    assert run(["import", str(EXAMPLE)]) == 0

    shown = capsys.readouterr()
    assert load_text(shown.out)["name"] == "order-alerts"
    assert "Alert: If the answer is a list" in shown.err


def test_standard_input_and_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "stdin", io.StringIO(EXAMPLE.read_text()))

    assert run(["import", "-", "--json", "--format", "n8n"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"definition", "triggers", "report", "translated", "placeholders"}


def test_nothing_translated_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "n8n.json").write_text(json.dumps(NOTHING))

    assert run(["import", str(tmp_path / "n8n.json")]) == 1
    assert "TODO n8n: n8n-nodes-base.slack - A" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{}", "no n8n workflow"),
        (b"[1]", "no n8n workflow"),
        (b'{"nodes": []}', "has no nodes"),
        (b'{"nodes": ', "not valid JSON"),
        (b"\xff\xfe", "Cannot read"),
        (b"name: greet\nnodes: 1\n", "no n8n workflow"),
    ],
)
def test_what_is_no_n8n_workflow_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, says: str
):
    file = tmp_path / "file"
    file.write_bytes(content)

    assert run(["import", str(file)]) == 2
    assert says in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["import", str(EXAMPLE), "-o", str(tmp_path / "no" / "such.yaml")]) == 2
    assert "Cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_yaml_reads_back_as_it_was(file: Path):
    definition = imported(file.stem).definition

    assert load_text(as_yaml(definition), "yaml") == definition


@given(
    st.recursive(
        st.text() | st.booleans() | st.none() | st.integers(-(2**63), 2**63 - 1),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_text_reads_back_as_it_was(value: object):
    assert load_text(as_yaml({"value": value}), "yaml") == {"value": value}
