"""`python -m local.reference nodes|tools`: the reference pages, from the models. `make docs` writes them."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from shared.workflow.definition import BaseNode
from shared.workflow.node_catalogue import node_types
from shared.workflow.tool_catalogue import tool_specs

_NOTE = "<!-- Written by `make docs` from the code; change the models instead. -->"
_GRAPHS = frozenset({"Graph"})
"""Not explained below each type: a body is a graph like the workflow itself."""

_LIMITS = (("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"))


def nodes_page() -> str:
    """docs/reference/nodes.md."""
    common = BaseNode.model_json_schema(by_alias=True)
    parts = ["# Node types", _NOTE, "Every node has an `id` and a `type`, and may have these fields."]
    parts += [_table(common), *_below(common, 3)]
    for each in node_types().values():
        schema = each.node_schema
        where = "The state machine does it; no compute." if each.function is None else "A function does it."
        parts += [f"## {each.type}", f"{each.summary} {where}"]
        for name in _named(schema["properties"]["config"]):
            model = schema["$defs"][name]
            parts += [f"### `config`: {name}", _table(model), *_below(model, 4, schema["$defs"])]
    return "\n\n".join(parts) + "\n"


def tools_page() -> str:
    """docs/reference/tools.md."""
    parts = ["# Tools", _NOTE, "For `tool` nodes, and for agents. The errors are names for `retry` and error edges."]
    for tool in tool_specs().values():
        parts += [f"## {tool.name}", tool.summary, _table(tool.arguments), *_below(tool.arguments, 3)]
        kinds = ", ".join(f"`{kind}`" for kind in tool.connections)
        parts += [f"Connections: {kinds}."] if kinds else []
        parts += [f"Errors: {', '.join(f'`{name}`' for name in tool.raises)}."] if tool.raises else []
    return "\n\n".join(parts) + "\n"


def _table(model: dict[str, Any]) -> str:
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    required = model.get("required", [])
    for name, field in model.get("properties", {}).items():
        default = "required" if name in required else f"`{_json(field.get('default'))}`"
        words = " ".join(filter(None, (field.get("description"), _bounds(field))))
        rows.append(f"| `{name}` | {_cell(_type(field))} | {_cell(default)} | {_cell(words)} |")
    return "\n".join(rows) if len(rows) > 2 else "It takes nothing."  # noqa: PLR2004 - two rows are the head


def _below(model: dict[str, Any], level: int, defs: dict[str, Any] | None = None) -> Iterator[str]:
    """The models that its fields are made of, each once, with those that they are made of."""
    defs = model.get("$defs", {}) if defs is None else defs
    seen: dict[str, None] = {}
    waiting = list(_named(model.get("properties", {})))
    while waiting:
        name = waiting.pop(0)
        if name not in seen and name not in _GRAPHS:
            seen[name] = None
            waiting += _named(defs[name].get("properties", {}))
    for name in seen:
        if "properties" in defs[name]:
            words = [defs[name]["description"]] if "description" in defs[name] else []
            yield "\n\n".join([f"{'#' * level} {name}", *words, _table(defs[name])])


def _named(value: Any) -> Iterator[str]:
    """The models that a schema refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for name, item in value.items():
            if name != "discriminator":
                yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "const" in field:
        return f"`{_json(field['const'])}`"
    if "enum" in field:
        return " or ".join(f"`{_json(each)}`" for each in field["enum"])
    for union in ("anyOf", "oneOf"):
        if union in field:
            return " or ".join(dict.fromkeys(_type(each) for each in field[union]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("type", "any JSON"))


def _bounds(field: dict[str, Any]) -> str:
    both = [each for each in (field, *field.get("anyOf", ())) if isinstance(each, dict)]
    words = []
    for low, high, unit in _LIMITS:
        least = next((each[low] for each in both if low in each), None)
        most = next((each[high] for each in both if high in each), None)
        if most is not None:
            words.append(f"{f'{least:,} to ' if least is not None else 'At most '}{most:,}{unit}.")
        elif least is not None and unit == "":
            words.append(f"At least {least:,}.")
    return " ".join(words)


def _json(value: Any) -> str:
    return json.dumps(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


PAGES = {"nodes": nodes_page, "tools": tools_page}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
