"""`millrace plan`, without a server."""

import re
from pathlib import Path

import orjson
import pytest

from local.cli.app import run

EXAMPLES = Path(__file__).parents[2] / "examples"
W5 = str(EXAMPLES / "w5" / "workflow.yaml")
ENDLESS = """
name: endless
nodes:
  - id: every
    type: loop
    config:
      kind: for_each
      items: "{% $input %}"
      body: {nodes: [{id: ask, type: agent, config: {prompt: "{% $item %}"}}]}
"""


def rows(text: str) -> dict[str, list[str]]:
    cells = [line.split("\t") for line in text.splitlines() if "\t" in line]
    return {first: rest for first, *rest in cells}


def test_a_plan_is_a_table(capsys: pytest.CaptureFixture[str]):
    assert run(["plan", W5]) == 0

    shown = capsys.readouterr()
    found = rows(shown.out)
    assert found["ONE EXECUTION"] == ["BEST", "WORST", "WITHOUT RETRIES"]
    assert found["state transitions"] == ["3", "6", "4"]
    assert found["calls of http"] == ["0", "3", "1"]
    assert found["AWS, $ for 1,000"] == ["0.0750", "0.1606", "0.1035"]
    assert "route does the work of route and price." in shown.out
    assert "us-east-1" in shown.err


def test_the_page_on_costs_shows_this_table(capsys: pytest.CaptureFixture[str]):
    page = (EXAMPLES.parent / "docs" / "costs.md").read_text()
    _, _, rest = page.partition("```text\n")
    documented = [re.split(r"\s{2,}", line) for line in rest.partition("```")[0].splitlines()]

    run(["plan", W5])

    assert documented == [line.split("\t") for line in capsys.readouterr().out.splitlines()]


def test_a_plan_for_programs_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert run(["plan", W5, "--json"]) == 0

    shown = capsys.readouterr()
    (line,) = shown.out.splitlines()
    plan = orjson.loads(line)
    assert (plan["workflow"], plan["worst_without_retries"]["transitions"]) == ("w5", 4)
    assert plan["prices"]["transition"]["source"] == "https://aws.amazon.com/step-functions/pricing/"
    assert shown.err == ""


def test_what_has_no_bound_says_so_until_a_length_is_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "endless.yaml"
    file.write_text(ENDLESS)
    assert run(["plan", str(file)]) == 0

    shown = capsys.readouterr()
    assert rows(shown.out)["calls of agent"] == ["0", "no bound", "no bound"]
    assert "every has no bound: its list may have any length." in shown.out
    assert "--items 100" in shown.err

    assert run(["plan", str(file), "--items", "4"]) == 0
    found = rows(capsys.readouterr().out)
    assert found["calls of agent"] == ["0", "12", "4"]
    assert found["tokens"] == ["0", "no bound", "no bound"]


def test_an_express_workflow_is_billed_by_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "express.yaml"
    file.write_text(Path(W5).read_text().replace("name: w5", "name: w5\nsettings: {mode: express}"))
    assert run(["plan", str(file), "--json"]) == 0

    spend = orjson.loads(capsys.readouterr().out)["worst_without_retries"]
    assert spend["seconds"] == 0.5
    assert spend["dollars"]["step_functions"] == pytest.approx(1e-6 + 0.5 * 64 / 1024 * 0.00001667)
    assert run(["plan", str(file)]) == 0
    assert "state transitions" not in rows(capsys.readouterr().out)


def test_a_broken_definition_has_no_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "broken.yaml"
    file.write_text("name: broken\nnodes: []\n")

    assert run(["plan", str(file)]) == 2
    assert "nodes" in capsys.readouterr().err
