"""Each n8n file becomes its golden definition with its golden report, and no node of it is lost.

After a deliberate change: `pytest tests/importers --update-imports`, and read the diff.
"""

from pathlib import Path

import pytest

from statemachines.compiler import compile_workflow
from tests.compiler.golden import compare
from tests.importers.files import FILES, GOLDENS, NOT_YET, assert_sound, export, imported


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_becomes_its_golden_definition_and_report(file: Path, update_imports: bool) -> None:
    found = imported(file.stem).as_dict()
    # What this version of the compiler does not build yet is no property of the importer.
    report = [line for line in found["report"] if line["code"] != NOT_YET]
    compare(GOLDENS / file.name, {**found, "report": report}, update=update_imports)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_node_is_in_the_definition_or_in_the_report(file: Path) -> None:
    assert_sound(imported(file.stem), {node["name"] for node in export(file.stem)["nodes"]})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_has_no_open_ends_compiles(file: Path) -> None:
    found = imported(file.stem)
    if not any(line.code == NOT_YET for line in found.report):
        compile_workflow(found.definition)


def test_there_are_enough_files() -> None:
    assert len(FILES) >= 20
    assert len([file for file in FILES if imported(file.stem).placeholders == 0]) >= 20
