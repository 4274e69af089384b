"""Recursion without Python's stack: a chain of 5,000 nested conditions must compile like any other workflow."""

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Walk: TypeAlias = Generator["Walk[Any]", Any, T]
"""A recursive function written as a generator: it yields the calls it makes and is sent their results."""


def run(walk: Walk[T]) -> T:
    """The result of `walk`, with the pending calls on a list instead of the interpreter's stack."""
    pending: list[Walk[Any]] = [walk]
    result: Any = None
    while pending:
        try:
            pending.append(pending[-1].send(result))
            result = None
        except StopIteration as end:
            pending.pop()
            result = end.value
    return result  # type: ignore[no-any-return]  # the last result is that of the first walk
