"""The functions that Step Functions adds to JSONata.

An argument that is not allowed raises ValueError, which the expression module turns into an error of the expression.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html#stepfunctions-functions-jsonata
"""

import hashlib
import math
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import orjson

MAX_RANGE_ITEMS = 360_145
"""What Step Functions gives at most before its memory limit for one expression is met."""

_DIGESTS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


def partition(array: Any = None, size: Any = None) -> list[list[Any]]:
    """`$partition([1,2,3,4], 3)` → `[[1,2,3],[4]]`; the size is cut to an integer."""
    step = _integer("partition", size)
    if not isinstance(array, list) or step < 1:
        raise ValueError("$partition takes an array and a chunk size of at least 1.")
    return [array[start : start + step] for start in range(0, len(array), step)]


def numbers(start: Any = None, end: Any = None, step: Any = None) -> Any:
    """`$range(0, 10, 5)` → `[0, 5, 10]`: the end is included. One number stands for itself, as JSONata has it."""
    first, last, delta = (_integer("range", value) for value in (start, end, step))
    if delta == 0:
        raise ValueError("$range takes a step that is not zero.")
    found = range(first, last + (1 if delta > 0 else -1), delta)
    if len(found) > MAX_RANGE_ITEMS:
        raise ValueError(f"$range gives {len(found)} items; at most {MAX_RANGE_ITEMS} are allowed.")
    if not found:
        raise ValueError(f"$range has no items from {first} to {last} by {delta}.")
    return found[0] if len(found) == 1 else list(found)


def digest(text: Any = None, algorithm: Any = None) -> str:
    """`$hash('a', 'SHA-256')`: the hexadecimal digest of the UTF-8 text."""
    if algorithm not in _DIGESTS:
        raise ValueError(f"$hash does not know the algorithm '{algorithm}'; use one of {', '.join(_DIGESTS)}.")
    if not isinstance(text, str):
        raise ValueError("$hash takes a string.")  # noqa: TRY004 - ValueError is this module's word for it
    # MD5 and SHA-1 are what the language offers for checksums; nothing here relies on them for security.
    return hashlib.new(_DIGESTS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def number(seed: Any = None) -> float:
    """`$random()` in [0, 1); with an integer seed always the same number."""
    if seed is None:
        return random.random()  # noqa: S311 - JSONata's $random is no source of secrets
    return random.Random(_integer("random", seed)).random()  # noqa: S311 - a seeded number is repeatable by purpose


def identifier() -> str:
    """`$uuid()`: a random UUID, version 4."""
    return str(uuid.uuid4())


def parsed(text: Any = None) -> Any:
    """`$parse('{"a": 1}')`: the value of a JSON text."""
    if not isinstance(text, str):
        raise ValueError("$parse takes a string that holds JSON.")  # noqa: TRY004 - as above
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"$parse was given text that is not JSON: {error}.") from None


def _integer(function: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"${function} takes numbers where it was given {value!r}.")
    return math.trunc(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "partition": partition,
    "range": numbers,
    "hash": digest,
    "random": number,
    "uuid": identifier,
    "parse": parsed,
}
