"""EventBridge's pattern language, compiled: which events a trigger wants.

Terms:
  pattern  an object shaped like the events that it matches; all of its fields must match
  leaf     an array of values and operators; one of them must match
  absent   a field is absent where the event has no value there: nothing, an object, or an empty array. Only
           `{"exists": false}` matches that

A field of the event that is an array matches where one of its elements does. Where it is an array of objects, all
fields of the pattern inside of it must match in the same element; `{"exists": false}` looks at all of them.
A dot in a name joins: `{"a.b": [1]}` and `{"a": {"b": [1]}}` are the same, in patterns and in events.

Sources: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns-arrays.html,
https://github.com/aws/event-ruler#json-array-matching
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from shared.errors import Diagnostic, InvalidPattern
from shared.triggers.events.matchers import OPERATOR_NAMES, Mistake, Test, test_of

MAX_PATTERN_BYTES = 4_096
"""As EventBridge takes in. Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html"""

OR = "$or"

_Event = dict[str, Any]
_Node = Callable[[_Event, _Event], bool]
"""Tests an object of an event, given the whole event too."""

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    node: _Node
    required: dict[str, frozenset[str]]
    """Of fields at the top that must be one of some texts: these texts. An index may look there first."""

    def matches(self, event: _Event) -> bool:
        """Whether the event is one of those that the pattern describes."""
        return self.matches_normal(normal(event))

    def matches_normal(self, event: _Event) -> bool:
        """As `matches`, of an event that `normal` gave."""
        return self.node(event, event)


def compile_pattern(document: Any, place: str = "pattern") -> Pattern:
    """The pattern, compiled. `place` leads to the document, for messages.

    Raises:
        InvalidPattern: with every mistake.
    """
    found: list[Diagnostic] = []
    size = len(orjson.dumps(document))
    if size > MAX_PATTERN_BYTES:
        found.append(_diagnostic(place, f"The pattern is {size} bytes long; at most {MAX_PATTERN_BYTES} are allowed."))
        raise InvalidPattern(found)
    node = _object(document, (), place, found)
    if found:
        raise InvalidPattern(found)
    return Pattern(node, _required(document))


def normal(event: _Event) -> _Event:
    """The event with names that have dots in them taken apart, as a pattern sees it."""
    return _taken_apart(event) if _has_dots(event) else event


def _object(document: Any, names: tuple[str, ...], place: str, found: list[Diagnostic]) -> _Node:
    if not isinstance(document, dict) or not document:
        what = "is empty" if document == {} else "is not an object"
        found.append(_diagnostic(place, f"The pattern {what}.", 'Name a field: {"source": ["shop"]}.'))
        return _never
    return _all([_field(name, inner, names, f"{place}.{name}", found) for name, inner in document.items()])


def _field(name: str, inner: Any, names: tuple[str, ...], place: str, found: list[Diagnostic]) -> _Node:
    if name == OR:
        return _or(inner, names, place, found)
    first, *rest = name.split(".")
    for step in reversed(rest):
        inner = {step: inner}
    if isinstance(inner, dict):
        return _inside(first, _object(inner, (*names, first), place, found))
    if not isinstance(inner, list) or not inner:
        problem = "an empty list, which nothing matches" if inner == [] else f"{str(inner)[:64]!r}"
        fix = "List the allowed values." if inner == [] else f"Write {orjson.dumps([inner]).decode()[:80]}."
        found.append(_diagnostic(place, f"This is {problem}; a field takes a list of values, or an object.", fix))
        return _never
    return _leaf((*names, first), inner, place, found)


def _leaf(names: tuple[str, ...], members: Sequence[Any], place: str, found: list[Diagnostic]) -> _Node:
    """The field of an object at `names`, tested against the members of its list."""
    tests: list[Test] = []
    absent = False
    for number, member in enumerate(members):
        try:
            if isinstance(member, dict) and "exists" in member:
                present = _exists(member)
                absent = absent or not present
                tests += [_anything] if present else []
            else:
                tests.append(test_of(member))
        except Mistake as error:
            found.append(_diagnostic(f"{place}[{number}]{error.step}", error.message, error.fix))
    name = names[-1]

    def test(scope: _Event, event: _Event) -> bool:
        values = list(_values(scope.get(name, _MISSING)))
        if any(each(value) for value in values for each in tests):
            return True
        return absent and not values and not _is_present(event, names)

    return test


def _exists(member: dict[str, Any]) -> bool:
    if len(member) != 1 or not isinstance(member["exists"], bool):
        raise Mistake("'exists' takes true or false, and stands alone.", fix='Write {"exists": true}.')
    return bool(member["exists"])


def _or(alternatives: Any, names: tuple[str, ...], place: str, found: list[Diagnostic]) -> _Node:
    if not isinstance(alternatives, list) or len(alternatives) < 2:  # noqa: PLR2004 - one alternative is none
        found.append(
            _diagnostic(place, "'$or' takes a list of at least two patterns.", 'Write [{"a": [1]}, {"b": [2]}].')
        )
        return _never
    nodes = []
    for number, each in enumerate(alternatives):
        here = f"{place}[{number}]"
        reserved = sorted(set(each) & set(OPERATOR_NAMES)) if isinstance(each, dict) else []
        if reserved:
            message = f"'{reserved[0]}' is an operator, and cannot be a field inside of '$or'."
            found.append(_diagnostic(here, message, "Name a field, and give it a list with the operator."))
        else:
            nodes.append(_object(each, names, here, found))
    return lambda scope, event: any(node(scope, event) for node in nodes)


def _inside(name: str, node: _Node) -> _Node:
    def test(scope: _Event, event: _Event) -> bool:
        objects = list(_objects(scope.get(name)))
        # Where there is no object, all of its fields are absent, which some patterns want.
        return any(node(each, event) for each in objects or [{}])

    return test


def _all(nodes: Sequence[_Node]) -> _Node:
    return nodes[0] if len(nodes) == 1 else lambda scope, event: all(node(scope, event) for node in nodes)


def _never(_scope: _Event, _event: _Event) -> bool:
    return False


def _anything(_value: Any) -> bool:
    return True


def _values(value: Any) -> Iterator[Any]:
    """The values of a field that are no objects, those of an array one by one; `null` is one where it is written."""
    if isinstance(value, list):
        for each in value:
            yield from _values(each)
    elif value is not _MISSING and not isinstance(value, dict):
        yield value


def _objects(value: Any) -> Iterator[_Event]:
    if isinstance(value, list):
        for each in value:
            yield from _objects(each)
    elif isinstance(value, dict):
        yield value


def _is_present(scope: _Event, names: tuple[str, ...]) -> bool:
    if len(names) == 1:
        return any(True for _ in _values(scope.get(names[0], _MISSING)))
    return any(_is_present(each, names[1:]) for each in _objects(scope.get(names[0])))


def _required(document: dict[str, Any]) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(members)
        for name, members in document.items()
        if name in ("source", "detail-type") and all(isinstance(member, str) for member in members)
    }


def _has_dots(value: Any) -> bool:
    if isinstance(value, dict):
        return any("." in name or _has_dots(inner) for name, inner in value.items())
    return isinstance(value, list) and any(_has_dots(each) for each in value)


def _taken_apart(value: Any) -> Any:
    if isinstance(value, list):
        return [_taken_apart(each) for each in value]
    if not isinstance(value, dict):
        return value
    result: _Event = {}
    for name, inner in value.items():
        *path, last = name.split(".")
        scope = result
        for step in path:
            held = scope.setdefault(step, {})
            if not isinstance(held, dict):
                break  # a value and an object under one name: the value was there first
            scope = held
        else:
            _join(scope, last, _taken_apart(inner))
    return result


def _join(scope: _Event, name: str, value: Any) -> None:
    held = scope.get(name)
    if isinstance(held, dict) and isinstance(value, dict):
        for inner, each in value.items():
            _join(held, inner, each)
    else:
        scope.setdefault(name, value)


def _diagnostic(path: str, message: str, fix: str | None = None) -> Diagnostic:
    return Diagnostic(code="pattern.invalid", path=path, message=message, fix=fix)
