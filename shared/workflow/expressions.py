"""JSONata expressions (https://jsonata.org), evaluated by jlens. No other module imports the engine.

Step Functions evaluates the same text in the cloud, so this module keeps its rules: an expression that yields nothing
(undefined) is an error, numbers that are whole stay integers, and `$eval` is not allowed.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jlens import Expression as _Engine
from jlens import JlensError

MAX_DEPTH = 500
MAX_STEPS = 5_000_000
MAX_RESULT_BYTES = 8 * 1024 * 1024

HOST_FUNCTIONS = frozenset({"hash", "parse", "partition", "random", "range", "uuid"})
"""Step Functions' own functions (https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html)."""

_LIMITS: Any = {"max_depth": MAX_DEPTH, "max_steps": MAX_STEPS, "max_result_size": MAX_RESULT_BYTES}
_PATH = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)")
_WORDS = frozenset({"and", "or", "in", "true", "false", "null", "function"})
_UNDEFINED = object()
_ENGINE = object()
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
    """A compiled expression; safe to share and to evaluate from any thread.

    The engine reads its input as far as an expression reaches, but converts bindings whole. So variables are handed
    over as the input, and a generated prefix binds those that the expression reads: `$a + 1` runs as
    `($a:=`a`; $a + 1)`.
    """

    __slots__ = ("_engine", "_exists", "_path", "_prefix", "_reads", "_runs", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._engine = self._compile(source)
        self._reads = self._engine.reads()
        if self._reads.get("everyBinding"):  # only text that is evaluated at run time can read just anything
            raise ExpressionError("$eval is not allowed; write the expression out.", source=source)
        self._path = _plain_path(source)
        self._exists: _Engine | None = None
        self._prefix: str | None = None
        self._runs: _Engine | None = None
        names = self.variables()
        # An object constructor looks at the context (`{}`) without reading anything of it.
        # Whether a name is a function matters only where something seems to be read of it.
        if not (self._reads.get("input") and self._engine.reads(dict.fromkeys(names, _any_function)).get("input")):
            self._prefix = "(" + "".join(f"${name}:=`{name}`;" for name in sorted(names - HOST_FUNCTIONS))

    def _compile(self, source: str) -> _Engine:
        try:
            return _Engine(source)
        except JlensError as error:
            raise self._translated(error) from None

    @property
    def reads_context(self) -> bool:
        """Whether it may read `$`, `$$` or a bare name. Nothing is there in a state machine, so authors do not mean it.

        The engine errs on the careful side: a variable that is bound anew from itself counts, too.
        """
        return self._prefix is None

    def variables(self) -> frozenset[str]:
        """Names of the free variables that it reads, without `$`; functions that it calls count if not built in."""
        return frozenset(self._reads.get("bindings", {})) - {"$"}

    def members(self, variable: str) -> frozenset[str]:
        """Names of the members that it reads of a variable's object; empty where it reads the whole or none of it."""
        read = self._reads.get("bindings", {}).get(variable, {})
        return frozenset(read) if isinstance(read, dict) else frozenset()

    def context_names(self) -> frozenset[str]:
        """Names that it certainly reads of the context item, as `phone` and `$$.phone` do."""
        read = self._reads.get("input")
        return frozenset(read) if isinstance(read, dict) else frozenset()

    def evaluate(self, variables: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] | None = None) -> Any:
        """The value for these variables (JSON in, JSON out; `null` is None). It may share parts with the variables.

        `functions` are host functions, of the names in HOST_FUNCTIONS. What they raise as ValueError is an error of the
        expression.

        Raises:
            UndefinedResult: it yields nothing.
            ExpressionError: it fails.
        """
        if self._path is not None:
            value = _walk(self._path, variables)
            if value is not _ENGINE:
                return self._defined(value)
        try:
            return self._run(variables, functions)
        except JlensError as error:
            raise self._translated(error) from None
        except ValueError as error:  # a host function's word for an argument that is not allowed
            raise ExpressionError(str(error), source=self.source) from None

    def _run(self, variables: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]] | None) -> Any:
        bindings: dict[str, Any] = dict(functions) if functions else {}
        document: Mapping[str, Any] | None = None
        if self._prefix is None:
            bindings = {**variables, **bindings}
        else:
            document = variables
            bindings |= {name: variables[name] for name in HOST_FUNCTIONS & variables.keys()}
        if self._runs is None:  # compiled when it first runs: publishing only asks what an expression reads
            self._runs = self._engine if self._prefix is None else self._compile(f"{self._prefix}{self.source}\n)")
        value = self._runs.evaluate(document, bindings, **_LIMITS)
        if value is None and not self._is_null(document, bindings):
            return self._defined(_UNDEFINED)
        return value

    def _is_null(self, document: Mapping[str, Any] | None, bindings: dict[str, Any]) -> bool:
        """Whether the result is null; the engine gives None for null and for undefined."""
        if self._exists is None:
            self._exists = self._compile(f"{self._prefix or '('}$exists({self.source}\n))")
        return self._exists.evaluate(document, bindings, **_LIMITS) is True

    def _defined(self, value: Any) -> Any:
        if value is _UNDEFINED:
            raise UndefinedResult(f"The JSONata expression '{self.source}' returned nothing.", source=self.source)
        return value

    def _translated(self, error: JlensError) -> ExpressionError:
        position = error.position
        if position is not None:
            position = max(0, position - len(getattr(self, "_prefix", None) or ""))
        return ExpressionError(str(error), source=self.source, code=error.code, position=position)


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


def _plain_path(source: str) -> tuple[str, ...] | None:
    """`$a.b.c` as its names, or None where the expression is more than that."""
    match = _PATH.fullmatch(source)
    steps = tuple(match[1].split(".")) if match else None
    return steps if steps and not _WORDS.intersection(steps) else None


def _walk(path: tuple[str, ...], variables: Mapping[str, Any]) -> Any:
    """What a plain path leads to through objects; _ENGINE where it meets anything else, which JSONata maps over."""
    value = variables.get(path[0], _UNDEFINED)
    for step in path[1:]:
        if type(value) is not dict:
            return value if value is _UNDEFINED else _ENGINE
        value = value.get(step, _UNDEFINED)
    return value


def _any_function(*_: Any) -> None:
    """Stands for a function when asking what an expression reads: a function reads its arguments only."""
