"""JSONata expressions (https://jsonata.org), evaluated by jlens. No other module imports the engine.

Step Functions evaluates the same text in the cloud, so this module keeps its rules: an expression that yields nothing
(undefined) is an error, numbers that are whole stay integers, and `$eval` is not allowed.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from jlens import Expression as _Engine
from jlens import JlensError

MAX_DEPTH = 500
MAX_STEPS = 5_000_000
MAX_RESULT_BYTES = 8 * 1024 * 1024

_DELIMITED = re.compile(r"^\{%([\s\S]*)%\}$")


class ExpressionError(Exception):
    """An expression does not compile or fails. `position` counts characters from the start of the expression's text."""

    def __init__(self, message: str, *, source: str, code: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.code = code
        self.position = position


class UndefinedResult(ExpressionError):
    """The expression yields nothing; where a value is needed that is a mistake."""


class Expression:
    """A compiled expression; safe to share and to evaluate from any thread."""

    __slots__ = ("_engine", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            self._engine = _Engine(source)
        except JlensError as error:
            raise _translated(error, source) from None

    def variables(self) -> frozenset[str]:
        """Names of the free variables that the expression reads, without `$`; functions it calls count if not built in."""
        return frozenset(self._engine.reads().get("bindings", {})) - {"$"}

    def evaluate(self, variables: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] | None = None) -> Any:
        """The value for these variables (JSON in, JSON out; `null` is None).

        Raises:
            UndefinedResult: it yields nothing.
            ExpressionError: it fails.
        """
        bindings = {**variables, **functions} if functions else dict(variables)
        try:
            value = self._engine.evaluate(
                None, bindings, max_depth=MAX_DEPTH, max_steps=MAX_STEPS, max_result_size=MAX_RESULT_BYTES
            )
            if value is not None:
                return value
            # `None` stands for both null and undefined; the JSON form tells them apart.
            text = self._engine.evaluate_json(
                None, bindings, max_depth=MAX_DEPTH, max_steps=MAX_STEPS, max_result_size=MAX_RESULT_BYTES
            )
        except JlensError as error:
            raise _translated(error, self.source) from None
        if text is None:
            raise UndefinedResult(f"The JSONata expression '{self.source}' returned nothing.", source=self.source)
        return orjson.loads(text)


@lru_cache(maxsize=8192)
def compiled(source: str) -> Expression:
    """The expression for this text, compiled once a process.

    Raises:
        ExpressionError: it does not compile.
    """
    return Expression(source)


def source_of(value: Any) -> str | None:
    """The JSONata text of a `{% … %}` string, or None where the value is a literal."""
    if not isinstance(value, str):
        return None
    match = _DELIMITED.match(value)
    return match[1].strip() if match else None


def expressions_in(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, JSONata text) of every expression at any depth of a JSON value."""
    source = source_of(value)
    if source is not None:
        yield path, source
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from expressions_in(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from expressions_in(item, f"{path}[{index}]")


def _translated(error: JlensError, source: str) -> ExpressionError:
    return ExpressionError(str(error), source=source, code=error.code, position=error.position)
