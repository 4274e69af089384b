"""JSON in which strings may be expressions (`{% … %}`), as triggers use it to make a workflow's input."""

from collections.abc import Mapping
from typing import Any

from shared.workflow.expressions import ExpressionError, compiled, expressions_in, source_of


def check_template(template: Any, known: set[str]) -> None:
    """Raises ValueError where an expression does not compile, or reads a variable that is not `known`."""
    for path, source in expressions_in(template):
        where = f"the expression at '{path}'" if path else "the expression"
        try:
            unknown = compiled(source).variables() - known
        except ExpressionError as error:
            raise ValueError(f"{where} does not compile: {error.message}") from None
        if unknown:
            names, allowed = (", ".join(f"${name}" for name in sorted(each)) for each in (unknown, known))
            raise ValueError(f"{where} reads {names}; it may read {allowed}")


def filled(template: Any, variables: Mapping[str, Any]) -> Any:
    """The template with each expression replaced by its value. Raises ExpressionError."""
    source = source_of(template)
    if source is not None:
        return compiled(source).evaluate(variables)
    if isinstance(template, Mapping):
        return {key: filled(value, variables) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, variables) for value in template]
    return template
