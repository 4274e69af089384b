"""Mistakes that pydantic finds, as diagnostics: with a JSON path, what is allowed, and the name that was probably
meant."""

import typing
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import Diagnostic
from shared.workflow.definition import BaseNode, Node
from statemachines.compiler.suggest import fix_for, shortened

_MISSING = object()


def _node_models() -> dict[str, type[BaseNode]]:
    union, *_ = typing.get_args(Node)
    models: tuple[type[BaseNode], ...] = typing.get_args(union)
    return {typing.get_args(model.model_fields["type"].annotation)[0]: model for model in models}


NODE_MODELS = _node_models()
"""Node type → its model, out of the definition's own union."""


def report(
    error: ValidationError, model: type[BaseModel], raw: Mapping[str, Any], path: str, node: str | None
) -> Iterator[Diagnostic]:
    """One diagnostic for each place that has a mistake."""
    seen: set[str] = set()
    for details in error.errors(include_url=False, include_context=True):
        where, value, names = _locate(details["loc"], raw, path)
        if where not in seen:
            seen.add(where)
            yield _diagnostic(details, _fields_at(model, names[:-1]), where, value, node)


def _locate(loc: tuple[int | str, ...], raw: Any, path: str) -> tuple[str, Any, list[int | str]]:
    """JSON path and value of an error, and its location without the tags that pydantic adds for members of unions."""
    value, names = raw, []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, dict) and (part in value or last):
            path, value = f"{path}.{part}" if path else str(part), value.get(part, _MISSING)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            path, value = f"{path}[{part}]", value[part]
        else:
            continue
        names.append(part)
    return path, value, names


def _diagnostic(details: ErrorDetails, fields: set[str], path: str, value: Any, node: str | None) -> Diagnostic:
    field = path.rpartition(".")[2]
    if details["type"] == "extra_forbidden":
        fix = fix_for(field, fields, "Remove it.")
        return Diagnostic("field.unknown", path, f"There is no field `{field}` here.", node, field, sorted(fields), fix)
    if details["type"] == "missing":
        return Diagnostic("field.missing", path, f"`{field}` is missing.", node, fix=f"Add `{field}`.")
    if tag := _tag(details):
        return _tagged(details, tag, path, node)
    shown = None if value is _MISSING else shortened(value)
    message = f"`{field}`: {details['msg'][:1].lower()}{details['msg'][1:]}."
    return Diagnostic("field.invalid", path, message, node, shown, _allowed(details), _fix(details, value))


def _tagged(details: ErrorDetails, tag: str, path: str, node: str | None) -> Diagnostic:
    """A member of a union whose `tag` field is missing or names no member."""
    where = f"{path}.{tag}"
    if details["type"] == "union_tag_not_found":
        return Diagnostic("field.missing", where, f"`{tag}` is missing.", node, fix=f"Add `{tag}`.")
    context = details.get("ctx", {})
    given, allowed = context.get("tag"), _listed(context.get("expected_tags"))
    fix = fix_for(given, allowed, "Use one of the allowed values.")
    message = f"`{tag}` cannot be {shortened(given)!r}."
    return Diagnostic("field.invalid", where, message, node, shortened(given), allowed, fix)


def _tag(details: ErrorDetails) -> str | None:
    discriminator = details.get("ctx", {}).get("discriminator")
    return str(discriminator).strip("'") if discriminator else None


def _listed(names: Any) -> list[str]:
    """Pydantic writes allowed names as `'a', 'b' or 'c'`."""
    return [each.strip("' ") for each in str(names).replace(" or ", ", ").split(",")]


def _allowed(details: ErrorDetails) -> Any:
    context = details.get("ctx", {})
    for key in ("expected", "pattern", "le", "ge", "lt", "gt", "max_length", "min_length"):
        if key in context:
            return context[key] if isinstance(context[key], int | float | str) else str(context[key])
    return None


def _fix(details: ErrorDetails, value: Any) -> str:
    expected = details.get("ctx", {}).get("expected")
    if details["type"] == "literal_error" and expected:
        return fix_for(value, _listed(expected), f"Use {expected}.")
    if details["type"] == "string_pattern_mismatch" and r"\{%" in str(details.get("ctx", {}).get("pattern")):
        return "Write a JSONata expression in `{% … %}`."
    return "Correct the value."


def _fields_at(model: type[BaseModel], names: list[int | str]) -> set[str]:
    """The fields that are allowed at a location below `model`; of several possible models, those of all."""
    candidates: set[Any] = {model}
    for name in names:
        if isinstance(name, int):
            continue
        candidates = {
            inner
            for candidate in candidates
            for field, info in candidate.model_fields.items()
            if name in (field, info.alias)
            for inner in _models_in(info.annotation)
        }
    return {info.alias or field for candidate in candidates for field, info in candidate.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation may stand for: through Optional, unions, lists and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in (Union, UnionType, list, dict, typing.Annotated):
        for inner in typing.get_args(annotation):
            yield from _models_in(inner)
