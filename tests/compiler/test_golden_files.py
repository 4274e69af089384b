"""The golden files' own helper: a change fails, and reads as a diff."""

import json
from pathlib import Path

import pytest

from tests.compiler.golden import CASES, compare

BEFORE = {"states": {f"s{index}": {"Type": "Pass", "Next": f"s{index + 1}"} for index in range(50)}}
AFTER = {"states": {**BEFORE["states"], "s25": {"Type": "Pass", "Output": "{% $a & 'ä' %}", "Next": "s26"}}}

DIFF = """\
--- golden
+++ compiled
@@ -102,6 +102,7 @@
     },
     "s25": {
       "Type": "Pass",
+      "Output": "{% $a & 'ä' %}",
       "Next": "s26"
     },
     "s26": {"""


def failure(file: Path, found: object) -> str:
    with pytest.raises(pytest.fail.Exception) as caught:
        compare(file, found, update=False)
    return str(caught.value)


def test_a_change_shows_the_changed_lines_and_a_few_around_them(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    compare(file, BEFORE, update=True)

    said, _, diff = failure(file, AFTER).partition("\n")

    assert said == f"{tmp_path.name}/case.json changed; if that is right: pytest --update-goldens"
    assert diff == DIFF


def test_what_is_the_same_passes_and_leaves_the_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    compare(file, AFTER, update=True)
    written = file.read_text()

    compare(file, AFTER, update=False)

    assert file.read_text() == written
    assert json.loads(written) == AFTER


def test_the_order_of_members_is_part_of_a_golden_file(tmp_path: Path) -> None:
    """Readers of a machine look for its states in the order in which they run."""
    compare(tmp_path / "case.json", {"a": 1, "b": 2}, update=True)

    assert '-  "a": 1' in failure(tmp_path / "case.json", {"b": 2, "a": 1})


def test_a_missing_golden_file_fails(tmp_path: Path) -> None:
    assert '+  "a": 1' in failure(tmp_path / "case.json", {"a": 1})


def test_every_golden_file_belongs_to_a_case() -> None:
    assert {path.parent for path in CASES.glob("*/asl.json")} == {path.parent for path in CASES.glob("*/workflow.yaml")}
