"""What every command is given: the server, where results go and where progress goes."""

import asyncio
import sys
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

from local.cli.failures import ExitCode, Failed
from local.cli.render import json_line
from local.cli.shapes import DEFAULT_URL


@dataclass(frozen=True)
class Session:
    """Results go to standard output; progress, hints and mistakes to standard error: a pipe gets results only."""

    url: str = DEFAULT_URL
    as_json: bool = False
    out: Console = field(default_factory=lambda: Console(highlight=False))
    err: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    def value(self, value: Any) -> None:
        """Writes one JSON value: a line with --json, else indented (and in colour on a terminal)."""
        if self.as_json:
            json_line(value)
        else:
            self.out.print_json(data=value, ensure_ascii=False)

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Writes a table, nothing cut: aligned on a terminal, in a pipe with a tab between columns."""
        table = [columns, *rows]
        if not self.out.is_terminal:
            for row in table:
                self.line("\t".join(row))
            return
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for number, row in enumerate(table):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.out.print(Text(line.rstrip(), style="" if number else "bold"), soft_wrap=True)

    def line(self, text: str) -> None:
        """Writes one line as it is; Console.print would turn its tabs into spaces."""
        self.out.file.write(f"{text}\n")

    def note(self, text: str) -> None:
        """Writes one line for people, which no script needs."""
        if not self.as_json:
            self.err.print(text, soft_wrap=True, markup=False, style="dim")


def run_async(work: Coroutine[Any, Any, ExitCode]) -> ExitCode:
    """Runs one command's coroutine; Ctrl-C cancels it and is raised again as KeyboardInterrupt."""
    return asyncio.run(work)


def read_input(text: str) -> Any:
    """The JSON value of `--input`: the text itself, `@file`, or `-` for standard input.

    Raises:
        Failed: it cannot be read or is not JSON.
    """
    source = "--input"
    try:
        if text == "-":
            source, text = "standard input", sys.stdin.read()
        elif text.startswith("@"):
            source = text[1:]
            with open(source, encoding="utf-8") as file:  # noqa: PTH123 - the message below quotes the path as typed
                text = file.read()
        return orjson.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Failed(f"Cannot read {source}: {reason}.", ExitCode.INVALID) from None
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        hint = """Give JSON, as in --input '{"name": "Ada"}', or a file, as in --input @order.json."""
        raise Failed(f"{source} is not JSON: {error.msg} ({where}).", ExitCode.INVALID, hint=hint) from None
