"""Whether a document is JSON that every part of Millrace can keep: checked once, iteratively, before anything
recursive."""

import math
from collections.abc import Iterator
from typing import Any

from shared.errors import Diagnostic

MAX_DEPTH = 100
"""Containers within one another."""

_INT64 = 2**63


def unusable(document: Any) -> Iterator[Diagnostic]:
    """A diagnostic for each value that cannot be kept. Of a document that is too deep, only that is said."""
    waiting: list[tuple[Any, str, int]] = [(document, "", 1)]
    while waiting:
        value, path, depth = waiting.pop()
        if isinstance(value, dict | list) and depth > MAX_DEPTH:
            fix = "Flatten the values, or move bodies into workflows of their own."
            message = f"The definition nests deeper than {MAX_DEPTH} levels."
            yield Diagnostic("definition.too_deep", path[:500], message, allowed=MAX_DEPTH, fix=fix)
            return
        if isinstance(value, dict):
            for key, item in value.items():
                where = f"{path}.{key}" if path else str(key)
                if problem := _problem(key) if isinstance(key, str) else "a key that is no text":
                    yield _unusable(problem, repr(where)[1:-1])
                waiting.append((item, where, depth + 1))
        elif isinstance(value, list):
            waiting.extend((item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value))
        elif problem := _problem(value):
            yield _unusable(problem, repr(path)[1:-1])


def _problem(value: Any) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        if "\0" in value:
            return "text with a NUL character"
        return (
            None if value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value) else "half a character"
        )
    if isinstance(value, int):
        return None if -_INT64 <= value < _INT64 else "a whole number of more than 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "a number that is not finite"
    return f"a value of Python's type {type(value).__name__}"


def _unusable(problem: str, path: str) -> Diagnostic:
    message = f"There is {problem}, which cannot be stored as JSON."
    return Diagnostic("definition.value_unusable", path, message, fix="Remove it, or write it as plain text.")
