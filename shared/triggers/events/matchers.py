"""The comparisons of EventBridge's pattern language: one member of a leaf's array, made into a test of one JSON value.

Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, and for what that
leaves open https://github.com/aws/event-ruler
"""

import difflib
import ipaddress
import operator
from collections.abc import Callable
from typing import Any

Test = Callable[[Any], bool]

MAX_NUMBER = 5_000_000_000
"""Numbers in `numeric` lie between the negative of this and this."""


class Mistake(Exception):
    """What is wrong with one member of a pattern, in words for its author; `step` leads to it from there."""

    def __init__(self, message: str, *, step: str = "", fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.step = step
        self.fix = fix


def test_of(member: Any) -> Test:
    """The test of a member other than `exists`. Raises Mistake."""
    if isinstance(member, dict):
        name, argument = only_item(member)
        make = _OPERATORS.get(name)
        if make is None:
            raise _unknown(name)
        try:
            return make(argument)
        except Mistake as error:
            raise Mistake(error.message, step=f".{name}{error.step}", fix=error.fix) from None
    if isinstance(member, list):
        raise Mistake("A list inside a list of allowed values.", fix="Write the values side by side in one list.")
    return equals(member)


def only_item(member: dict[str, Any]) -> tuple[str, Any]:
    """The operator and its argument. Raises Mistake."""
    if len(member) != 1:
        raise Mistake(
            f"An operator is an object of one member; this one has {len(member)}.",
            fix="Write each operator as an object of its own, side by side in the list.",
        )
    return next(iter(member.items()))


def equals(wanted: Any) -> Test:
    """The same JSON value; numbers by their value, however they are written, and never equal to true or false."""
    if _is_number(wanted):
        return lambda value: _is_number(value) and value == wanted
    return lambda value: type(value) is type(wanted) and value == wanted


def _prefix(argument: Any) -> Test:
    wanted, fold = _text_or_ignoring_case(argument)
    return lambda value: isinstance(value, str) and fold(value).startswith(wanted)


def _suffix(argument: Any) -> Test:
    wanted, fold = _text_or_ignoring_case(argument)
    return lambda value: isinstance(value, str) and fold(value).endswith(wanted)


def _ignoring_case(argument: Any) -> Test:
    wanted = _text(argument).casefold()
    return lambda value: isinstance(value, str) and value.casefold() == wanted


def _wildcard(argument: Any) -> Test:
    """Each piece is looked for behind the one before: as long as the text takes, whatever the pattern."""
    first, *rest = _pieces(_text(argument))
    if not rest:
        return equals(first)
    *between, last = rest

    def fits(value: Any) -> bool:
        if not isinstance(value, str) or not value.startswith(first) or not value.endswith(last):
            return False
        at, end = len(first), len(value) - len(last)
        for piece in between:
            found = value.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return at <= end

    return fits


def _pieces(text: str) -> list[str]:
    """What stands between the wildcards, without its escapes."""
    pieces, escaped, starred = [""], False, False
    for character in text:
        if escaped and character not in "*\\":
            raise Mistake(f"'\\{character}' is not an escape of 'wildcard'.", fix="Only \\* and \\\\ are.")
        if character == "*" and not escaped:
            if starred:
                raise Mistake("Two wildcards follow each other.", fix="One * stands for any number of characters.")
            pieces.append("")
            starred = True
            continue
        starred = False
        if character == "\\" and not escaped:
            escaped = True
            continue
        pieces[-1] += character
        escaped = False
    if escaped:
        raise Mistake("The text ends within an escape.", fix="Write \\\\ for a backslash.")
    return pieces


def _cidr(argument: Any) -> Test:
    text = _text(argument)
    try:
        network = ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        network = None
    if network is None:
        raise Mistake(f"'{text[:64]}' is not a block of addresses.", fix='Write one such as "10.0.0.0/24".')

    def fits(value: Any) -> bool:
        try:
            address = ipaddress.ip_address(value) if isinstance(value, str) else None
        except ValueError:
            return False
        return address is not None and address in network

    return fits


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _numeric(argument: Any) -> Test:
    """One comparison, or a lower bound followed by an upper one."""
    example = 'Write one such as [">", 0, "<=", 5].'
    if not isinstance(argument, list) or len(argument) not in (2, 4):
        raise Mistake("'numeric' takes a comparison and a number, or two of each.", fix=example)
    pairs = list(zip(argument[::2], argument[1::2], strict=True))
    for position, (sign, bound) in enumerate(pairs):
        if not isinstance(sign, str) or sign not in _COMPARE:
            raise Mistake(f"{sign!r} is not a comparison; allowed are =, <, <=, > and >=.", step=f"[{2 * position}]")
        if not _is_number(bound) or abs(bound) > MAX_NUMBER:
            allowed = f"a number from -{MAX_NUMBER} to {MAX_NUMBER}"
            raise Mistake(f"{bound!r} is not {allowed}.", step=f"[{2 * position + 1}]")
    if len(pairs) > 1:
        (lower, bottom), (upper, top) = pairs
        if lower not in (">", ">=") or upper not in ("<", "<="):
            raise Mistake("A range has a lower bound and then an upper one.", fix=example)
        if bottom > top or (bottom == top and (lower, upper) != (">=", "<=")):
            raise Mistake(f"No number lies in the range from {bottom} to {top}.", fix=example)
    tests = [(_COMPARE[sign], bound) for sign, bound in pairs]
    return lambda value: _is_number(value) and all(compare(value, bound) for compare, bound in tests)


def _anything_but(argument: Any) -> Test:
    """Any value that is there and fails all of the tests, null included."""
    if isinstance(argument, dict):
        name, inner = only_item(argument)
        make = _NEGATED.get(name)
        if make is None:
            raise Mistake(f"'anything-but' does not know '{name[:64]}'; allowed are {', '.join(_NEGATED)}.")
        texts = _listed(inner)
        if name in ("prefix", "suffix") and "" in texts:
            raise Mistake(f"Every text has an empty {name}, so nothing would ever match.", step=f".{name}")
        try:
            tests = [make(_text(text)) for text in texts]
        except Mistake as error:
            raise Mistake(error.message, step=f".{name}{error.step}", fix=error.fix) from None
    else:
        values = _listed(argument)
        if not (all(isinstance(value, str) for value in values) or all(_is_number(value) for value in values)):
            raise Mistake("'anything-but' takes texts, or numbers, but not both and nothing else.")
        tests = [equals(value) for value in values]
    return lambda value: not any(test(value) for test in tests)


def _listed(argument: Any) -> list[Any]:
    values = argument if isinstance(argument, list) else [argument]
    if not values:
        raise Mistake("The list is empty.", fix="Name what shall not match.")
    return values


def _text(argument: Any) -> str:
    if not isinstance(argument, str):
        raise Mistake(f"{str(argument)[:64]!r} is not a text.", fix="Put it into quotes.")
    return argument


def _text_or_ignoring_case(argument: Any) -> tuple[str, Callable[[str], str]]:
    if isinstance(argument, dict):
        name, inner = only_item(argument)
        if name != "equals-ignore-case":
            raise Mistake(f"'{name[:64]}' does not go in here; allowed are a text and 'equals-ignore-case'.")
        return _text(inner).casefold(), str.casefold
    return _text(argument), lambda value: value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unknown(name: str) -> Mistake:
    near = difflib.get_close_matches(name, OPERATOR_NAMES, 1)
    return Mistake(
        f"There is no operator '{name[:64]}'; allowed are {', '.join(OPERATOR_NAMES)}.",
        fix=f"Did you mean '{near[0]}'?" if near else None,
    )


_OPERATORS: dict[str, Callable[[Any], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignoring_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
_NEGATED: dict[str, Callable[[Any], Test]] = {
    name: _OPERATORS[name] for name in ("prefix", "suffix", "equals-ignore-case", "wildcard")
}
OPERATOR_NAMES = (*_OPERATORS, "exists")
