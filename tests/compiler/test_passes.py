"""Golden pairs of single passes: from `cases/<case>/workflow.yaml` to `passes/<pass>.<case>.json`."""

import pytest

from shared.workflow.load import load_text
from statemachines.compiler import PASSES as COMPILER_PASSES
from tests.compiler.dumps import DUMPS, dumped
from tests.compiler.golden import BROKEN, CASES, PASSES, compare

PAIRED = ("route_and_join", "condition_across_fork", "n_shape", "error_edge", "while")

BY_DIAGNOSTICS = {"parse": "many_fields", "resolve": "cycle", "validate": "case_unknown", "limits": "built_state_name"}
"""Passes that answer; one golden file of the many."""


@pytest.mark.parametrize("case", PAIRED)
@pytest.mark.parametrize("name", DUMPS)
def test_what_a_pass_leaves_behind(name: str, case: str, update_goldens: bool) -> None:
    document = load_text((CASES / case / "workflow.yaml").read_text())
    compare(PASSES / f"{name}.{case}.json", dumped(name, document), update=update_goldens)


@pytest.mark.parametrize("name", [each.__name__ for each in COMPILER_PASSES])
def test_every_pass_has_golden_pairs(name: str) -> None:
    shown = [
        *PASSES.glob(f"{name}.*.json"),
        *([BROKEN / f"{BY_DIAGNOSTICS[name]}.json"] if name in BY_DIAGNOSTICS else []),
        *CASES.glob(f"{name}*/asl.json"),
        *(CASES.glob("*/asl.json") if name == "lower" else []),
    ]
    assert shown
    assert all(path.is_file() for path in shown)
