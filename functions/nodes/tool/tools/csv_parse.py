"""`csv.parse`: what JSONata cannot do, since quotes and line breaks inside fields need a parser."""

import csv
import io
from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeConfigInvalid


class CsvArguments(Arguments):
    """RFC 4180, with the delimiter of your choice."""

    text: str = Field(max_length=1_000_000, description="The CSV.")
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    header: bool = Field(default=True, description="The first row names the columns; else rows are lists.")
    max_rows: int = Field(default=1_000, ge=1, le=10_000, description="More rows than this fail the call.")


async def run(arguments: CsvArguments, _: ToolContext) -> list[Any]:
    """Rows as objects by column name, or as lists where there is no header. Every value is text."""
    try:
        rows = list(csv.reader(io.StringIO(arguments.text, newline=""), delimiter=arguments.delimiter, strict=True))
    except csv.Error as error:
        raise NodeConfigInvalid(f"`text` is not CSV: {error}.") from None
    rows = [row for row in rows if row]
    names = rows.pop(0) if arguments.header and rows else []
    if len(rows) > arguments.max_rows:
        raise NodeConfigInvalid(f"The CSV has {len(rows)} rows; max_rows allows {arguments.max_rows}.")
    return [_named(names, row, number) for number, row in enumerate(rows, 2)] if arguments.header else rows


def _named(names: list[str], row: list[str], number: int) -> dict[str, str]:
    if len(row) != len(names):
        raise NodeConfigInvalid(f"Row {number} of the CSV has {len(row)} fields; its header has {len(names)}.")
    return dict(zip(names, row, strict=True))


TOOL = Tool(
    name="csv.parse",
    summary="Turns CSV text into a list of objects.",
    arguments=CsvArguments,
    run=run,
    raises=("NodeConfigInvalid",),
)
