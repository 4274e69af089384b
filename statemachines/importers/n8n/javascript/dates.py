"""Dates: Luxon's DateTime, which n8n uses, and JavaScript's Date, as milliseconds since 1970, in UTC."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript.functions import point_in_time
from statemachines.importers.n8n.problems import NotSimple

if TYPE_CHECKING:
    from statemachines.importers.n8n.javascript.calls import Call

MILLISECONDS = {
    "millisecond": 1,
    "second": 1_000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
}
"""Of units that always last the same; months and years do not."""

_TOKENS = {
    "yyyy": "[Y0001]",
    "yy": "[Y01]",
    "MM": "[M01]",
    "M": "[M1]",
    "MMM": "[MNn,3-3]",
    "MMMM": "[MNn]",
    "dd": "[D01]",
    "d": "[D1]",
    "HH": "[H01]",
    "H": "[H1]",
    "hh": "[h01]",
    "mm": "[m01]",
    "ss": "[s01]",
    "SSS": "[f001]",
    "a": "[PN]",
    "EEE": "[FNn,3-3]",
    "EEEE": "[FNn]",
    "cccc": "[FNn]",
}
"""Luxon's tokens (https://moment.github.io/luxon/#/formatting?id=table-of-tokens) in XPath's picture strings."""

_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']")


def unit(name: str) -> int:
    """Milliseconds of `day` or `days`. Raises NotSimple for units of changing length."""
    found = MILLISECONDS.get(name.removesuffix("s"))
    if found is None:
        raise NotSimple(f"the unit `{name}` has no fixed length")
    return found


def picture(tokens: str) -> str:
    """A format of Luxon as a picture string. Raises NotSimple."""
    found = ""
    for match in _TOKEN.finditer(tokens):
        whole = match[0]
        if whole.startswith("'"):
            found += _literal(match[1])
        elif not whole[0].isalpha():
            found += _literal(whole)
        elif whole == "T":
            found += "T"
        elif whole in _TOKENS:
            found += _TOKENS[whole]
        else:
            raise NotSimple(f"the date format `{whole}` has no plain counterpart in JSONata")
    return found


def _literal(text: str) -> str:
    return text.replace("[", "[[").replace("]", "]]")


def point(code: Code) -> Code:
    """The point in time that a value stands for."""
    return point_in_time(code)


def call(made: "Call") -> Code:
    """The code of a date's method. Raises NotSimple."""
    handler = METHODS.get(made.name)
    if handler is None:
        raise made.unsupported()
    return handler(made)


def shifted(date: Code, by: Code, sign: str) -> Code:
    """The date, moved by milliseconds."""
    return Code(f"{date.operand} {sign} {by.operand}", "date", tight=False)


def duration(amount: Code, name: str) -> Code:
    """So many of a unit, in milliseconds."""
    if amount.constant and isinstance(amount.literal, int | float):
        return c.constant(amount.literal * unit(name))
    return Code(f"{c.number_of(amount).operand} * {unit(name)}", "number", tight=False)


def _moved(made: "Call") -> Code:
    sign = "+" if made.name == "plus" else "-"
    if len(made.nodes) > 1:
        return shifted(point(made.receiver), duration(made.argument(0), made.constant(1, "string").literal), sign)
    amounts: Any = made.argument(0).literal
    if not isinstance(amounts, dict):
        raise NotSimple(f"`{made.source}` moves a date by what is not constant")
    total = sum(number * unit(name) for name, number in amounts.items() if isinstance(number, int | float))
    return shifted(point(made.receiver), c.constant(total), sign)


def _formatted(made: "Call") -> Code:
    tokens = made.constant(0, "string").literal
    return Code(f"$fromMillis({point(made.receiver).text}, {c.quoted(picture(tokens))})", "string")


def _iso(made: "Call") -> Code:
    return Code(f"$fromMillis({point(made.receiver).text})", "string")


def _iso_date(made: "Call") -> Code:
    return Code(f"$fromMillis({point(made.receiver).text}, '[Y0001]-[M01]-[D01]')", "string")


def _millis(made: "Call") -> Code:
    return point(made.receiver).of_kind("number")


def _seconds(made: "Call") -> Code:
    return Code(f"{point(made.receiver).operand} / 1000", "number", tight=False)


def _start_of(made: "Call") -> Code:
    name = made.constant(0, "string").literal
    length = unit(name)
    if name == "week":
        raise made.unsupported()
    return Code(f"$floor({point(made.receiver).operand} / {length}) * {length}", "date", tight=False)


METHODS: dict[str, Callable[["Call"], Code]] = {
    "plus": _moved,
    "minus": _moved,
    "toFormat": _formatted,
    "format": _formatted,
    "toISO": _iso,
    "toISOString": _iso,
    "toJSON": _iso,
    "toISODate": _iso_date,
    "toMillis": _millis,
    "getTime": _millis,
    "valueOf": _millis,
    "toSeconds": _seconds,
    "startOf": _start_of,
    "toUTC": lambda made: point(made.receiver),
    "toDateTime": lambda made: point(made.receiver),
}
