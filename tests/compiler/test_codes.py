"""Every code of a diagnostic that the compiler can give stands in a golden file."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import InvalidDefinition
from statemachines import compiler
from statemachines.compiler import compile_workflow
from statemachines.compiler.passes import limits
from tests.compiler.golden import BROKEN, CASES

BUILT_CODES = {
    "retry.{field}": {"retry.errors", "retry.max_delay_seconds"},
    "limit.{name}": {"limit.nodes", "limit.edges"},
}
"""What the codes that are put together can be."""

OUT_OF_REACH = {"limit.nesting"}
"""Other limits come first: at most 8 bodies of at most two scopes, and 10 forks, make 27 of the 40 that are allowed. It
stays as a net below the others, and has a test of its own here."""

_MISTAKE = 4
"""A rule may yield (code, path, message, fix)."""


def codes() -> set[str]:
    """Every code, out of the compiler's own text."""
    found: set[str] = set()
    for path in Path(str(compiler.__file__)).parent.rglob("*.py"):
        for code in _codes(ast.parse(path.read_text())):
            found |= BUILT_CODES.get(code, {code})
    return found


def _codes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _name(node.func) in ("error", "warn", "Diagnostic"):
            yield from _texts(node.args[0])
        elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == _MISTAKE:
            yield from _texts(node.value.elts[0])
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            yield from (text for text in _texts(node.value.elts[0]) if "." in text)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _texts(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield ast.unparse(value)[2:-1]
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body)
        yield from _texts(value.orelse)


def golden_codes() -> set[str]:
    broken = [each for path in BROKEN.glob("*.json") for each in json.loads(path.read_text())]
    warned = [each for path in CASES.glob("*/asl.json") for each in json.loads(path.read_text()).get("warnings", [])]
    return {each["code"] for each in [*broken, *warned]}


def test_every_code_has_a_golden() -> None:
    assert codes() - golden_codes() - OUT_OF_REACH == set()


def test_every_golden_code_is_found_in_the_compiler() -> None:
    """Else the search above has missed a way to give a code."""
    assert golden_codes() - codes() == set()


def test_deep_nesting_would_be_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NESTED_SCOPES", 0)
    node = {"id": "a", "type": "transform", "config": {"output": 1}}
    branches = {"id": "b", "type": "parallel", "config": {"branches": {"one": {"nodes": [node]}}}}
    with pytest.raises(InvalidDefinition) as caught:
        compile_workflow({"name": "deep", "nodes": [branches]})
    assert [each.code for each in caught.value.diagnostics] == ["limit.nesting"]
