"""Reads the inputs of a bulk run: a JSON array, lines of JSON, or CSV with a header."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.bulk.records import MAX_ITEMS
from shared.errors import Diagnostic, InvalidInput, MalformedRequest, RequestTooLarge
from shared.executions.start import MAX_INPUT_BYTES
from shared.executions.validation import check_input

JSON, JSONL, CSV = "application/json", "application/x-ndjson", "text/csv"
FORMATS = {JSON: JSON, JSONL: JSONL, "application/jsonl": JSONL, "application/x-jsonlines": JSONL, CSV: CSV}
"""Media types that are read, and what each is."""
ENDINGS = {".json": JSON, ".jsonl": JSONL, ".ndjson": JSONL, ".csv": CSV}
"""Endings of files' names, and the media type that each stands for."""

MAX_TOLD = 20
"""Inputs whose mistakes are told."""

_NUMBERS = {"integer", "number"}
_WORDS = {"true": True, "false": False}


@dataclass(slots=True)
class Checked:
    """What was read, as far as it can be started with."""

    lines: bytearray = field(default_factory=bytearray)
    """Each input as one line of JSON. In one piece: what orjson writes keeps a kilobyte of memory, however short."""
    valid: int = 0
    invalid: int = 0
    diagnostics: list[Diagnostic] = field(default_factory=list)
    """Of the first MAX_TOLD inputs that cannot be started with."""


def read(data: bytes, media_type: str, schema: Mapping[str, Any] | None) -> Checked:
    """Every input in `data`, checked against the workflow's `input_schema`.

    Raises:
        MalformedRequest: the text is not what `media_type` says, or there is nothing in it.
        RequestTooLarge: there are more than MAX_ITEMS.
        InvalidDefinition: the schema itself is wrong.
    """
    found = Checked()
    for index, value in enumerate(_values(data, media_type, schema)):
        if index >= MAX_ITEMS:
            raise RequestTooLarge(f"There are more than {MAX_ITEMS} inputs. Split them into several bulk runs.")
        _take(found, index, value, dict(schema) if schema is not None else None)
    if not found.valid and not found.invalid:
        raise MalformedRequest("There is no input. Send at least one.")
    return found


def _take(found: Checked, index: int, value: Any, schema: dict[str, Any] | None) -> None:
    line = orjson.dumps(value)
    mistakes = _mistakes(value, len(line), schema)
    if not mistakes:
        found.lines += line + b"\n"
        found.valid += 1
        return
    found.invalid += 1
    if found.invalid <= MAX_TOLD:
        found.diagnostics += [_at(index, each) for each in mistakes]


def _mistakes(value: Any, size: int, schema: dict[str, Any] | None) -> Sequence[Diagnostic]:
    if size > MAX_INPUT_BYTES:
        return [_too_large(size)]
    try:
        check_input(schema, value, size)
    except InvalidInput as error:
        return error.diagnostics
    return ()


def _values(data: bytes, media_type: str, schema: Mapping[str, Any] | None) -> Iterator[Any]:
    if media_type == JSONL:
        return _json_lines(data)
    if media_type == CSV:
        return _rows(data, _types(schema))
    return iter(_array(data))


def _array(data: bytes) -> list[Any]:
    value = _parsed(data, "The body")
    if not isinstance(value, list):
        raise MalformedRequest(
            f"The body is a JSON {type(value).__name__}; the inputs of a bulk run are an array, one entry each."
        )
    return value


def _json_lines(data: bytes) -> Iterator[Any]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield _parsed(line, f"Line {number}")


def _parsed(data: bytes, what: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"{what} is not valid JSON: {error.msg} (character {error.pos}).") from None


def _rows(data: bytes, types: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """RFC 4180: the first line names the columns."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The CSV is not UTF-8: byte {error.start} is {data[error.start]:#04x}.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(reader, [])
        _ensure_distinct(columns)
        for row in reader:
            if row:
                yield _row(row, columns, types, reader.line_num)
    except csv.Error as error:
        raise MalformedRequest(f"Line {reader.line_num} is not valid CSV (RFC 4180): {error}.") from None


def _ensure_distinct(columns: list[str]) -> None:
    if len(set(columns)) < len(columns) or "" in columns:
        raise MalformedRequest(f"The first line names the columns, each once; it is {','.join(columns)[:200]!r}.")


def _row(row: list[str], columns: list[str], types: Mapping[str, str], line: int) -> dict[str, Any]:
    if len(row) != len(columns):
        raise MalformedRequest(f"Line {line} has {len(row)} fields, and the header has {len(columns)}.")
    return {name: _cell(cell, types.get(name)) for name, cell in zip(columns, row, strict=True)}


def _types(schema: Mapping[str, Any] | None) -> dict[str, str]:
    """The types that `input_schema` asks of the columns."""
    properties = schema.get("properties") if schema else None
    if not isinstance(properties, Mapping):
        return {}
    return {
        name: str(each["type"]) for name, each in properties.items() if isinstance(each, Mapping) and "type" in each
    }


def _cell(cell: str, kind: str | None) -> Any:
    """A cell is text, and a number or a boolean where the schema asks for one and the cell reads as one."""
    if kind == "boolean":
        return _WORDS.get(cell.lower(), cell)
    if kind not in _NUMBERS:
        return cell
    try:
        value = orjson.loads(cell)
    except orjson.JSONDecodeError:
        return cell
    return value if isinstance(value, int | float) and not isinstance(value, bool) else cell


def _too_large(size: int) -> Diagnostic:
    return Diagnostic(
        code="input.too_large",
        path="input",
        message=f"The input is {size} bytes of JSON; at most {MAX_INPUT_BYTES} are taken in.",
        fix="Send less, or a link to the data that a node fetches.",
    )


def _at(index: int, found: Diagnostic) -> Diagnostic:
    """`input.name` of the third input is `inputs[2].name`."""
    path = f"inputs[{index}]{found.path.removeprefix('input')}"
    return Diagnostic(found.code, path, found.message, value=found.value, allowed=found.allowed, fix=found.fix)
