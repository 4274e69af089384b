"""The nearest allowed name, for messages that help."""

import difflib
import math
from collections.abc import Iterable

MAX_CANDIDATES = 1_000
"""Comparing names takes time; a definition of thousands of mistakes must still be answered at once."""


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `name` was probably meant to be."""
    found = difflib.get_close_matches(name[:100], sorted(allowed)[:MAX_CANDIDATES], n=1, cutoff=0.6)
    return found[0] if found else None


def fix_for(name: object, allowed: Iterable[str], otherwise: str) -> str:
    """`Did you mean 'x'?`, or what to do where nothing is near."""
    found = nearest(name, allowed) if isinstance(name, str) else None
    return f"Did you mean '{found}'?" if found else otherwise


def shortened(value: object, limit: int = 200) -> object:
    """A value as a diagnostic may carry it: valid JSON, scalars whole up to a limit, containers only by their kind."""
    if isinstance(value, str):
        text = value.encode(errors="backslashreplace").decode()
        return text if len(text) <= limit else f"{text[: limit - 1]}…"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a whole number of more than 64 bits"
    return value if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"
