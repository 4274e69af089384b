"""JSON with `{% … %}` in it, compiled once when a machine is loaded, evaluated each time a state runs.

Terms:
  template   what compiling gives: a function from the variables to a JSON value
  field      where a template stands in its state, as AWS names it in messages: `Output/ticket/id`, `Choices[0]/Output`
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from shared.workflow.expressions import Expression, ExpressionError, UndefinedResult, compiled, source_of
from statemachines.interpreter.failure import QUERY_EVALUATION_ERROR, Failure
from statemachines.interpreter.functions import FUNCTIONS

Variables: TypeAlias = Mapping[str, Any]
Template: TypeAlias = Callable[[Variables], Any]
Report: TypeAlias = Callable[[str, ExpressionError | str, str], None]
"""Takes a mistake: the field, what is wrong, and the expression's text."""


def compile_template(value: Any, field: str, report: Report, readable: frozenset[str]) -> Template:
    """The template for a JSON value.

    `readable` are the members of `$states` that exist where the template stands. Mistakes are reported; the template
    is then of no use. Constant parts are shared between results, never copied: nobody changes a payload.
    """
    if not _dynamic(value):
        return lambda _: value
    source = source_of(value)
    if source is not None:
        return _expression(source, field, report, readable)
    if isinstance(value, dict):
        members = [(key, compile_template(item, f"{field}/{key}", report, readable)) for key, item in value.items()]
        return lambda variables: {key: member(variables) for key, member in members}
    items = [compile_template(item, f"{field}[{index}]", report, readable) for index, item in enumerate(value)]
    return lambda variables: [item(variables) for item in items]


def _dynamic(value: Any) -> bool:
    if isinstance(value, str):
        return source_of(value) is not None
    if isinstance(value, dict):
        return any(_dynamic(item) for item in value.values())
    return isinstance(value, list) and any(_dynamic(item) for item in value)


def _expression(source: str, field: str, report: Report, readable: frozenset[str]) -> Template:
    try:
        expression = compiled(source)
    except ExpressionError as error:
        report(field, error, source)
        return lambda _: None
    problem = _problem(expression, readable)
    if problem:
        report(field, problem, source)
    used = {name: function for name, function in FUNCTIONS.items() if f"${name}" in source}
    functions = used or None
    evaluate = expression.evaluate

    def evaluated(variables: Variables) -> Any:
        try:
            return evaluate(variables, functions)
        except ExpressionError as error:
            raise _failure(source, field, error) from None

    return evaluated


def _problem(expression: Expression, readable: frozenset[str]) -> str | None:
    for name in sorted(expression.context_names()):
        return f"it reads '{name}' at the top level, where no value is. Write $states.input.{name}, or ${name}"
    for member in sorted(expression.members("states") - readable):
        return f"$states.{member} does not exist here; there is {', '.join(sorted(readable))}"
    return None


def _failure(source: str, field: str, error: ExpressionError) -> Failure:
    about = f"The JSONata expression '{source}' specified for the field '{field}'"
    if isinstance(error, UndefinedResult):
        return Failure(QUERY_EVALUATION_ERROR, f"{about} returned nothing (undefined).", location=field)
    code = f"{error.code}: " if error.code else ""
    text = f"{about} threw an error during evaluation. {code}{error.message}"
    return Failure(QUERY_EVALUATION_ERROR, text, location=field)


def wrong_type(template_text: Any, field: str, expected: str, value: Any) -> Failure:
    """The failure of a field whose expression gave a value of another type than the field takes."""
    source = source_of(template_text)
    about = f"The JSONata expression '{source}' specified for the field '{field}'"
    text = f"{about} returned an unexpected result type. Expected '{expected}', but was '{json_type(value)}'."
    return Failure(QUERY_EVALUATION_ERROR, text, location=field)


def json_type(value: Any) -> str:
    """The name JSON has for a value's type."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "boolean"),
        ((int, float), "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null")
