"""Text to document: a workflow as JSON (RFC 8259) or as YAML.

YAML is read in the JSON schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#core-schema): `on`, `1:30` and `2026-01-01`
stay text. Aliases are refused, since a few bytes of them can stand for gigabytes; so are tags, several documents,
and a key that comes twice. Every error names line and column, counted from 1.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Literal, NoReturn

import yaml

from shared.errors import MalformedRequest

MAX_DEPTH = 100
"""Containers within one another: far above any workflow, far below Python's recursion limit."""

_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: value for value in (True, False) for word in (str(value), str(value).lower(), str(value).upper())
}
_OPEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def load_text(text: str | bytes, form: Literal["json", "yaml", "auto"] = "auto") -> Any:
    """The document that `text` holds; `auto` takes text that begins with `{` or `[` for JSON.

    Raises:
        MalformedRequest: it is not well-formed, or uses what is refused.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise MalformedRequest(f"The document is not UTF-8 text: byte {error.start} is no part of it.") from None
    if form == "json" or (form == "auto" and text.lstrip()[:1] in ("{", "[")):
        return load_json(text)
    return load_yaml(text)


def load_json(text: str) -> Any:
    """The one JSON document in `text`.

    Raises:
        MalformedRequest: it is not well-formed.
    """
    _check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_number, parse_constant=_number)
    except json.JSONDecodeError as error:
        _refuse("JSON", error.msg, error.lineno, error.colno)
    except ValueError as error:
        raise MalformedRequest(f"The document is not valid JSON: {error}.") from None


def load_yaml(text: str) -> Any:
    """The one YAML document in `text`.

    Raises:
        MalformedRequest: it is not well-formed, or uses aliases, tags or a second document.
    """
    try:
        return _from_events(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(
            "YAML", error.problem or "it cannot be parsed", mark.line + 1 if mark else 1, mark.column + 1 if mark else 1
        )
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _refuse(
            "YAML",
            f"character {error.character!r} is not allowed",
            line,
            error.position - text.rfind("\n", 0, error.position),
        )


def _from_events(events: Iterator[yaml.Event]) -> Any:
    root: list[Any] = []
    stack: list[_Container] = [_Container(root)]
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                _refuse_event(event, "there is a second document; send one")
        elif isinstance(event, yaml.AliasEvent):
            _refuse_event(event, f"alias '*{event.anchor}' is not allowed; write the value out")
        elif isinstance(event, yaml.ScalarEvent):
            _check_tag(event)
            stack[-1].add(_scalar(event), event)
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event)
            if len(stack) > MAX_DEPTH:
                _refuse_event(event, f"it nests deeper than {MAX_DEPTH} levels")
            value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            stack[-1].add(value, event)
            stack.append(_Container(value))
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
    if not root:
        raise MalformedRequest("The document is empty. Send a workflow definition.")
    return root[0]


class _Container:
    """A list or an object that is being filled; of an object, the key whose value comes next."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key: str | None = None

    def add(self, item: Any, event: yaml.NodeEvent) -> None:
        if isinstance(self.value, list):
            self.value.append(item)
        elif self.key is not None:
            self.value[self.key] = item
            self.key = None
        else:
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
            if key is None:
                _refuse_event(event, "a key is a list or an object; keys are text")
            if key in self.value:
                _refuse_event(event, f"key '{key}' comes twice in one object; remove one")
            self.key = key


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _check_tag(event: yaml.NodeEvent) -> None:
    tag = getattr(event, "tag", None)
    if tag not in (None, "!"):
        _refuse_event(event, f"tag '{tag}' is not allowed; remove it")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {json.dumps(twice)} comes twice in one object; remove one")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is not a JSON number that can be kept")
    return value


def _check_depth(text: str) -> None:
    """Refuses deep nesting before a recursive parser sees it."""
    depth = 0
    for match in _OPEN.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, match.start()) + 1
                column = match.start() - text.rfind("\n", 0, match.start())
                _refuse("JSON", f"it nests deeper than {MAX_DEPTH} levels", line, column)
        elif match[0] in "]}":
            depth -= 1


def _refuse_event(event: yaml.Event, problem: str) -> NoReturn:
    mark = event.start_mark
    _refuse("YAML", problem, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)


def _refuse(form: str, problem: str, line: int, column: int) -> NoReturn:
    raise MalformedRequest(
        f"The document is not valid {form}: line {line}, column {column}: {problem}.", line=line, column=column
    )
