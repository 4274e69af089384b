"""The tree of errors: the docstring is the real tree, codes are unique, retries derive from it."""

import re

import pytest

from shared import errors
from shared.errors import (
    Diagnostic,
    InvalidDefinition,
    InvalidInput,
    MillraceError,
    NodeError,
    PlatformError,
    RequestError,
    retryable_error_names,
    tree,
)

OURS = [error for error in tree() if error.__module__ == errors.__name__]


def drawn() -> dict[str, tuple[str | None, bool]]:
    """Class name → (parent's name, marked retryable), as the module's docstring draws them."""
    found: dict[str, tuple[str | None, bool]] = {}
    parents: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^((?:│   |    )*(?:[├└]── )?)([A-Z]\w+)(?:\s{2,}(.*))?$", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        parents[depth:] = [match[2]]
        found[match[2]] = (parents[depth - 1] if depth else None, "(retryable)" in (match[3] or ""))
    return found


def public_parent(error: type[MillraceError]) -> str | None:
    for base in error.__mro__[1:]:
        if issubclass(base, MillraceError) and not base.__name__.startswith("_"):
            return base.__name__
    return None


def test_the_docstring_draws_the_real_tree():
    assert drawn() == {error.__name__: (public_parent(error), error.retryable) for error in OURS}


def test_codes_are_unique():
    codes = [error.code for error in OURS if error not in (RequestError, NodeError, PlatformError)]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", OURS)
def test_codes_are_lower_case_words(error: type[MillraceError]):
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", error.code)


def test_retries_name_the_retryable_node_errors_and_lambdas_transient_ones():
    names = retryable_error_names()

    assert {error.__name__ for error in tree(NodeError) if error.retryable} < set(names)
    assert "DestinationRefused" not in names
    assert "Lambda.TooManyRequestsException" in names
    assert "States.ALL" not in names


def test_an_error_tells_its_message_and_keeps_details_apart():
    error = errors.Conflict("The workflow is paused.", workflow_id="w1")

    assert str(error) == "The workflow is paused."
    assert error.details == {"workflow_id": "w1"}


def test_a_diagnostic_reads_as_where_what_and_fix():
    diagnostic = Diagnostic("node.id", "nodes[2].id", "Two nodes are called 'a'.", fix="Rename one of them.")

    assert str(diagnostic) == "nodes[2].id: Two nodes are called 'a'. Fix: Rename one of them."


def test_a_diagnostic_as_json_leaves_out_what_says_nothing():
    diagnostic = Diagnostic("node.id", "nodes[2].id", "Two nodes are called 'a'.", node="a")

    assert diagnostic.as_dict() == {
        "code": "node.id",
        "path": "nodes[2].id",
        "message": "Two nodes are called 'a'.",
        "node": "a",
        "severity": "error",
    }


@pytest.mark.parametrize(
    ("kind", "count", "told"),
    [
        (InvalidDefinition, 1, "The workflow definition has 1 mistake: p: m"),
        (InvalidDefinition, 3, "The workflow definition has 3 mistakes: p: m"),
        (InvalidInput, 2, "The input has 2 mistakes: p: m"),
    ],
)
def test_an_error_with_diagnostics_tells_how_many_and_the_first(kind: type, count: int, told: str):
    error = kind(diagnostics=[Diagnostic("c", "p", "m")] * count)

    assert str(error) == told
    assert len(error.diagnostics) == count
