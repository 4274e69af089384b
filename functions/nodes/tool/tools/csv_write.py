"""`csv.write`: rows as CSV, with quotes where they are needed."""

import csv
import io
from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.errors import NodeConfigInvalid


class CsvWriteArguments(Arguments):
    rows: list[dict[str, Any]] = Field(max_length=10_000)
    columns: list[str] = Field(default_factory=list, max_length=1_000, description="By default those of all rows.")
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    guard_formulas: bool = Field(
        default=True, description="Put a ' before text that a spreadsheet would take for a formula."
    )


async def run(arguments: CsvWriteArguments, _: ToolContext) -> str:
    """The CSV by RFC 4180, with a header. What is missing is empty; lists and objects are mistakes."""
    columns = arguments.columns or list(dict.fromkeys(name for row in arguments.rows for name in row))
    made = io.StringIO(newline="")
    writer = csv.writer(made, delimiter=arguments.delimiter)
    writer.writerow(columns)
    for number, row in enumerate(arguments.rows):
        writer.writerow([_cell(row.get(name), number, name, guard=arguments.guard_formulas) for name in columns])
    return made.getvalue()


def _cell(value: Any, row: int, name: str, *, guard: bool) -> str:
    if isinstance(value, dict | list):
        raise NodeConfigInvalid(f"rows[{row}].{name} is a list or an object; a field of CSV is text or a number.")
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    # https://owasp.org/www-community/attacks/CSV_Injection
    return f"'{text}" if guard and isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


TOOL = Tool(
    name="csv.write",
    summary="Writes a list of objects as CSV.",
    arguments=CsvWriteArguments,
    run=run,
    raises=("NodeConfigInvalid",),
)
