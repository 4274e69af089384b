"""5,000 nodes of every shape end with a result or with the limit that they break, never with a hang."""

from typing import Any

import pytest

from shared.errors import InvalidDefinition
from statemachines.compiler import compile_workflow
from tests.compiler.strict_machine import check
from tests.support.asl_validators import AslValidators
from tests.support.shapes import SHAPES


def answer(document: dict[str, Any]) -> set[str]:
    """The limits that the definition breaks; where there are none, its machine keeps the rules of one."""
    try:
        compiled = compile_workflow(document)
    except InvalidDefinition as error:
        return {each.code for each in error.diagnostics}
    check(compiled.asl)
    return set()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("shape", SHAPES)
def test_5000_nodes_compile_or_are_answered_with_a_limit(shape: str) -> None:
    assert all(code.startswith("limit.") for code in answer(SHAPES[shape](5_000)))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_a_valid_workflow_and_a_valid_machine(shape: str, validators: AslValidators) -> None:
    document = SHAPES[shape](30)
    asl = compile_workflow(document).asl
    check(asl)
    assert validators.errors(asl) == []
