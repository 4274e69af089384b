"""A JSON value for a JSON Schema, always the same one: what the stand-in model says where it has nothing to say."""

from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 12
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-7000-8000-000000000000",
}


def sample(schema: Any, hints: Mapping[str, Any], root: Any = None, name: str = "", depth: int = 0) -> Any:
    """A value for `schema`; a property named in `hints` takes that value where its schema has room for it.

    Covers what output schemas are made of: types, const, enum, default, bounds, properties, items, local $ref, allOf,
    anyOf and oneOf. It does not try `pattern` and the like, so the result is to be validated.
    """
    root = schema if root is None else root
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return hints.get(name)
    schema = _resolved(schema, root)
    hint = hints.get(name)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return hint if hint in schema["enum"] else schema.get("default", schema["enum"][0])
    if hint is None and "default" in schema:
        return schema["default"]
    kind = _type(schema)
    if kind == "object":
        return _object(schema, hints, root, depth)
    return _array(schema, hint, root, depth) if kind == "array" else _scalar(kind, schema, hint)


def _scalar(kind: str, schema: Mapping[str, Any], hint: Any) -> Any:
    match kind:
        case "integer" | "number":
            return _number(schema, hint, whole=kind == "integer")
        case "boolean":
            return hint if isinstance(hint, bool) else False
        case "null":
            return None
        case _:
            return _string(schema, hint)


def _resolved(schema: Mapping[str, Any], root: Any) -> Mapping[str, Any]:
    """The schema with its local `$ref`, the first of its alternatives, and all of `allOf` folded in."""
    merged = dict(schema)
    for _ in range(_MAX_DEPTH):
        parts: list[Any] = list(merged.pop("allOf", []))
        parts += [options[0] for key in ("anyOf", "oneOf") if (options := merged.pop(key, None))]
        if isinstance(reference := merged.pop("$ref", None), str):
            parts.append(_lookup(root, reference))
        if not parts:
            break
        for part in parts:
            merged = {**part, **merged} if isinstance(part, Mapping) else merged
    return merged


def _lookup(root: Any, reference: str) -> Any:
    found = root
    for key in filter(None, reference.removeprefix("#").split("/")):
        found = found.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _type(schema: Mapping[str, Any]) -> str:
    given = schema.get("type")
    if isinstance(given, list):
        given = next((each for each in given if each != "null"), "null")
    if isinstance(given, str):
        return given
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _object(schema: Mapping[str, Any], hints: Mapping[str, Any], root: Any, depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    wanted = [*properties, *(name for name in required if name not in properties)]
    shallow = [name for name in wanted if name in required or name in hints or depth < 2]  # noqa: PLR2004 - optional parts may recurse
    return {name: sample(properties.get(name, {}), hints, root, name, depth + 1) for name in shallow}


def _array(schema: Mapping[str, Any], hint: Any, root: Any, depth: int) -> list[Any]:
    items = schema.get("items", {})
    most = schema.get("maxItems", 100)
    if isinstance(hint, list):
        allowed = items.get("enum") if isinstance(items, Mapping) else None
        kept = [each for each in hint if allowed is None or each in allowed][:most]
        if len(kept) >= schema.get("minItems", 0):
            return kept
    return [sample(items, {}, root, "", depth + 1) for _ in range(schema.get("minItems", 0))]


def _number(schema: Mapping[str, Any], hint: Any, *, whole: bool) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0 if whole else 0.0) + ("exclusiveMinimum" in schema))
    value = hint if isinstance(hint, int | float) and not isinstance(hint, bool) else low
    high = schema.get("maximum", value)
    value = min(max(value, low), high)
    return int(value) if whole else value


def _string(schema: Mapping[str, Any], hint: Any) -> str:
    text = hint if isinstance(hint, str) else _FORMATS.get(schema.get("format", ""), "example")
    text = text[: schema["maxLength"]] if "maxLength" in schema else text
    return text.ljust(schema.get("minLength", 0), ".")
