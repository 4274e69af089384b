"""What the source map says of nodes that have no state of their own, and where a state's events tell of them.

A state's entry names its `fused` nodes; `leading` are those that come before the state's own node. `shown` says where
in an event's details a node's output is, for those whose output is in no variable. `fields` says whose failure it is
when a field of the state cannot be evaluated: of one node, of one among several that share an expression, or, where
the list is empty, of nobody but what is around.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

SKIPPED = "millrace:skipped"
TOO_LARGE = "millrace:too_large"
"""What compiled workflows assign in the place of an output; see statemachines.compiler.variables."""


class FusedState:
    """One state's entry in the source map."""

    def __init__(self, meaning: Mapping[str, Any]) -> None:
        self.nodes: Sequence[str] = meaning.get("fused", ())
        self.leading: Sequence[str] = meaning.get("leading", ())
        self.fields: Mapping[str, Sequence[str]] = meaning.get("fields", {})
        self._shown: Mapping[str, Sequence[str | int]] = meaning.get("shown", {})

    def shown(self, detail: str, details: Mapping[str, Any]) -> dict[str, str | None]:
        """Node → its output as JSON text, of those that this event's `detail` shows (`parameters`, `output`)."""
        paths = {node: path[1:] for node, path in self._shown.items() if path[0] == detail}
        return {node: member(details.get(detail), path) for node, path in paths.items()}

    def field_of(self, location: str) -> str | None:
        """The listed field that a failure at `location` is in."""
        for field in self.fields:
            if location == field or location.startswith((f"{field}/", f"{field}[")):
                return field
        return None

    def before(self, field: str) -> list[str]:
        """The fused nodes behind the state's own that come, on the same way out, before those that fail in `field`."""
        failed, found = set(self.fields[field]), list[str]()
        for each, nodes in self.fields.items():
            if _way(each) == _way(field):
                if each == field or failed.intersection(nodes):
                    break
                found += [node for node in nodes if node in self.nodes and node not in self.leading]
        return found


def _way(field: str) -> str:
    return field.partition("/")[0] if field.startswith("Choices[") else ""


def member(text: str | None, path: Sequence[str | int]) -> str | None:
    """The JSON text of what `path` leads to in a JSON text; None where nothing is there or the text was cut."""
    if text is None or not path:
        return text
    try:
        value = orjson.loads(text)
        for key in path:
            value = value[key]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return None
    return orjson.dumps(value).decode()


def assigned(variables: Mapping[str, str], variable: str) -> tuple[bool, str | None]:
    """(whether a state's exit says that the node ran, its output). `variable` may name a member: `call_fused.tidy`."""
    name, _, inside = variable.partition(".")
    text = member(variables.get(name), [inside] if inside else [])
    ran = text is not None and text != f'"{SKIPPED}"'
    return ran, None if text == f'"{TOO_LARGE}"' else text
