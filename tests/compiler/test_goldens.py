"""Golden pairs: `cases/<name>/workflow.yaml` compiles to `asl.json`; `broken/<name>.yaml`, or what broken_built.py has
under this name, is answered by `broken/<name>.json`.

After a deliberate change: `pytest tests/compiler --update-goldens`, and read the diff.
"""

import json
from pathlib import Path

import pytest

from shared.errors import InvalidDefinition
from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from statemachines.compiler.shapes import NODE_MODELS
from statemachines.interpreter import Machine
from tests.compiler.broken_built import BUILT
from tests.compiler.golden import BROKEN, CASES, compare
from tests.compiler.strict_machine import check

_CASES = sorted(path.parent for path in CASES.glob("*/workflow.yaml"))
_BROKEN = sorted([path.stem for path in BROKEN.glob("*.yaml")] + list(BUILT))


@pytest.mark.parametrize("case", _CASES, ids=lambda path: path.name)
def test_definition_compiles_to_its_golden_asl(case: Path, update_goldens: bool) -> None:
    compiled = compile_workflow(load_text((case / "workflow.yaml").read_text()))
    check(compiled.asl)
    if '"DISTRIBUTED"' not in json.dumps(compiled.asl):  # which the interpreter does not run yet
        Machine.load(compiled.asl)
    warnings = {"warnings": [each.as_dict() for each in compiled.warnings]} if compiled.warnings else {}
    golden = {"asl": compiled.asl, "source_map": compiled.source_map, **warnings}
    compare(case / "asl.json", golden, update=update_goldens)


def test_every_node_type_has_a_golden_pair() -> None:
    maps = [json.loads((case / "asl.json").read_text())["source_map"] for case in _CASES]
    assert {node["type"] for each in maps for node in each["nodes"].values()} == set(NODE_MODELS)


@pytest.mark.parametrize("name", _BROKEN)
def test_broken_definition_is_answered_with_its_golden_diagnostics(name: str, update_goldens: bool) -> None:
    document = BUILT[name] if name in BUILT else load_text((BROKEN / f"{name}.yaml").read_text())
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow(document)
    found = [each.as_dict() for each in caught.value.diagnostics]
    assert all(each.get("fix") for each in found), "a diagnostic says how to mend it"
    compare(BROKEN / f"{name}.json", found, update=update_goldens)


def test_there_are_enough_cases() -> None:
    mistakes = [len(json.loads((BROKEN / f"{name}.json").read_text())) for name in _BROKEN]
    assert sum(count == 1 for count in mistakes) >= 45
    assert sum(count >= 5 for count in mistakes) >= 5
    assert len(_CASES) >= 10
