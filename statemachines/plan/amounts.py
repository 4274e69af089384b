"""What a run takes, as amounts by kind; infinity where nothing bounds one.

Every kind is bounded on its own. So the least of two ways has the fewest states of either and the fewest calls of
either, even where these are not the same way: no run can take less, of anything.
"""

from collections.abc import Iterable
from math import inf

TRANSITIONS = "transitions"
"""Billed by Step Functions: every state that is entered, and every retry. The start is not among them."""

EVENTS = "events"
"""In the history of the execution itself."""

SECONDS = "seconds"
"""From start to end, for what is known of it."""

TOKENS = "tokens"
MODEL_DOLLARS = "model dollars"
CALL, START = "call:", "start:"
"""Prefixes: calls of a function, and executions of another workflow."""


class Amounts(dict[str, float]):
    """Amounts by kind; what is missing is zero."""

    def plus(self, other: "Amounts") -> "Amounts":
        """One after the other."""
        found = Amounts(self)
        for kind, amount in other.items():
            found[kind] = found.get(kind, 0) + amount
        return found

    def times(self, count: float, at_once: float = 1) -> "Amounts":
        """So many times, `at_once` of them side by side."""
        if not count:
            return Amounts()
        found = Amounts({kind: amount * count for kind, amount in self.items() if amount})
        if found.get(SECONDS):
            found[SECONDS] = self[SECONDS] * (-(-count // at_once) if count != inf else inf)
        return found

    def of(self, prefix: str) -> dict[str, float]:
        """Those whose kind begins with `prefix`, by the rest of it."""
        return {kind.removeprefix(prefix): amount for kind, amount in self.items() if kind.startswith(prefix)}


def beside(each: Iterable[Amounts]) -> Amounts:
    """All of them at the same time: they add up, but for the time that they take."""
    found, seconds = Amounts(), 0.0
    for amounts in each:
        found = found.plus(amounts)
        seconds = max(seconds, amounts.get(SECONDS, 0))
    return Amounts({**found, SECONDS: seconds}) if seconds else found


def least(ways: Iterable[Amounts]) -> Amounts:
    """Of each kind what the way with the least of it takes."""
    first, *others = ways
    kinds = set(first).intersection(*others)
    return Amounts({kind: min(first[kind], *(other[kind] for other in others)) for kind in kinds}) if others else first


def most(ways: Iterable[Amounts]) -> Amounts:
    """Of each kind what the way with the most of it takes."""
    first, *others = ways
    if not others:
        return first
    found = Amounts(first)
    for other in others:
        for kind, amount in other.items():
            if amount > found.get(kind, 0):
                found[kind] = amount
    return found
