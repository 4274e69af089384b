"""What flows along a connection, and along which edge.

n8n passes lists of items and runs each node once for each of them. Here the number is known when importing, mostly:

  one    exactly one item, from a trigger up to where a list is split: the value is the item's JSON itself
  many   any number: the value is the list of the items' JSON
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code


@dataclass(frozen=True)
class Value:
    """One item's JSON, or the list of many. `lineage`: n8n nodes whose item i is the one that item i comes from."""

    code: Code
    many: bool = False
    lineage: frozenset[str] = frozenset()

    def as_list(self) -> Code:
        """The items as a list, of kind `items`."""
        return c.listed(self.code.of_kind("items"))


@dataclass(frozen=True)
class Port:
    """Where a connection comes from. `edge` is what an edge of the definition begins with, None at the graph's start;
    `live` is a test (an operand) of whether this way was taken; `ways` are the choices that led here: of a condition
    the cases that are possible."""

    edge: Mapping[str, Any] | None
    live: str
    value: Value
    ways: Mapping[str, frozenset[str]] = field(default_factory=dict)


def exclusive(one: Port, other: Port) -> bool:
    """Whether at most one of them is ever taken."""
    return any(not cases & other.ways[choice] for choice, cases in one.ways.items() if choice in other.ways)


def all_exclusive(ports: Sequence[Port]) -> bool:
    """Whether at most one of these is ever taken."""
    return all(exclusive(a, b) for index, a in enumerate(ports) for b in ports[:index])


def common_ways(ports: Sequence[Port]) -> dict[str, frozenset[str]]:
    """The choices that led to wherever any of the ports leads."""
    first, *others = ports
    ways = dict(first.ways)
    for other in others:
        ways = {choice: cases | other.ways[choice] for choice, cases in ways.items() if choice in other.ways}
    return ways


def together(ports: Sequence[Port]) -> Value:
    """What arrives where all these ports lead: the only one that is live, or the items of all."""
    values = list(dict.fromkeys((port.value.code.text, port.value.many) for port in ports))
    if len(values) == 1 and (all_exclusive(ports) or all(port.edge is None for port in ports)):
        return ports[0].value
    if all_exclusive(ports) and not any(port.value.many for port in ports):
        code = ports[-1].value.code
        for port in reversed(ports[:-1]):
            code = c.choose(port.live, port.value.code, code)
        return Value(code)
    lists = [Code(f"{port.live} ? {port.value.as_list().text} : []") for port in ports]
    code = lists[0]
    for each in lists[1:]:
        code = c.call("append", code, each)
    return Value(c.listed(code), many=True)
