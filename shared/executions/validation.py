"""Whether an input matches the workflow's `input_schema` (JSON Schema, draft 2020-12 by default).

By jsonschema-rs, because this runs in the event loop on what strangers send: the Python jsonschema takes half a second
for a valid 800 KB list and minutes for `uniqueItems` on it, this one milliseconds; its regular expressions are bounded.
"""

from functools import lru_cache
from itertools import islice
from typing import Any

import orjson
from jsonschema_rs import ValidationError, Validator, validator_for

from shared.errors import Diagnostic, InvalidDefinition, InvalidInput

MAX_DIAGNOSTICS = 100
MAX_TEXT = 200
"""Characters of a value that a message repeats."""

MAX_DESCRIBED_BYTES = 64 * 1024
"""Of a larger input only the first mistake is told: the engine copies what is wrong once for each mistake."""

_NAMED_IN_MESSAGE = frozenset({"required", "additionalProperties", "unevaluatedProperties", "anyOf", "oneOf", "not"})
"""Keywords of which the engine's `value` is not what is allowed."""


def check_input(schema: dict[str, Any] | None, value: Any, size: int, *, root: str = "input") -> None:
    """Checks `value`, which is `size` bytes as JSON. `root` is what it is called: its schema is `<root>_schema`.

    Raises:
        InvalidInput: it breaks the schema; with a diagnostic for each mistake (the first 100), whose path starts with
            `root`.
        InvalidDefinition: the schema itself is wrong, or refers to something that is not in it.
    """
    if schema is None:
        return
    validator = _compiled(orjson.dumps(schema), root)
    if validator.is_valid(value):
        return
    if size > MAX_DESCRIBED_BYTES:
        try:
            validator.validate(value)
        except ValidationError as error:
            raise InvalidInput([_diagnostic(error, root)]) from None
    found = [_diagnostic(each, root) for each in islice(validator.iter_errors(value), MAX_DIAGNOSTICS)]
    raise InvalidInput(sorted(found, key=lambda each: each.path))


@lru_cache(maxsize=1024)
def _compiled(schema_json: bytes, root: str) -> Validator:
    """The compiled schema, kept by its text. A `$ref` out of it is never fetched: it is a mistake."""
    try:
        return validator_for(orjson.loads(schema_json), validate_formats=True, offline=True)
    except ValueError as error:
        raise InvalidDefinition([_broken(error, root)]) from None


def _diagnostic(error: ValidationError, root: str) -> Diagnostic:
    value = error.instance
    scalar = value is not None and isinstance(value, str | int | float)
    return Diagnostic(
        code=f"input.{error.kind.name}",
        path=root + "".join(_step(each) for each in _path(error)),
        message=_short(error.message),
        value=_short(value) if scalar else None,
        allowed=_allowed(error),
        fix=f"Send a value that {root}_schema of the workflow allows, or change {root}_schema.",
    )


def _path(error: ValidationError) -> list[str | int]:
    """Where it is. A missing property is at its own path, not at its parent's."""
    missing = error.kind.as_dict().get("property") if error.kind.name == "required" else None
    return [*error.instance_path, *([str(missing)] if missing is not None else [])]


def _step(step: str | int) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step}"


def _allowed(error: ValidationError) -> Any:
    """The rule that was broken, where it is short enough to read."""
    if error.kind.name in _NAMED_IN_MESSAGE:
        return None
    rule = {error.kind.name: error.kind.value}
    return rule if len(str(rule)) <= MAX_TEXT else None


def _short(value: Any) -> Any:
    return value[: MAX_TEXT - 1] + "…" if isinstance(value, str) and len(value) > MAX_TEXT else value


def _broken(error: ValueError, root: str) -> Diagnostic:
    words = error.message if isinstance(error, ValidationError) else str(error)
    return Diagnostic(
        code="input_schema.invalid",
        path=f"{root}_schema",
        message=f"{root}_schema cannot be used: {_short(words)}",
        fix="Correct the schema. What it refers to must be in it, under `$defs`: schemas are never fetched.",
    )
