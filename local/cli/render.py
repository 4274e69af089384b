"""Progress of one execution, node by node, as it happens.

On a terminal the nodes at work stand in a live list and each that ends leaves a line; elsewhere every change is a line.
"""

import asyncio
import sys
from contextlib import AbstractContextManager, aclosing, nullcontext
from time import monotonic
from typing import Any

import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from local.cli.client import MillraceClient
from local.cli.shapes import TERMINAL, Change, Execution

SYMBOLS = {
    "running": ("▸", ">", "cyan"),
    "succeeded": ("✓", "+", "green"),
    "failed": ("✗", "x", "red"),
    "timed_out": ("✗", "x", "red"),
    "skipped": ("↷", "-", "dim"),
    "cancelled": ("■", "#", "yellow"),
    "queued": ("·", ".", "dim"),
}
"""Status → symbol, symbol where the output is not UTF-8, style."""
LOOK_SECONDS, RECORDED_AFTER_LOOKS = 0.5, 60
INSTANT = frozenset({"transform", "condition"})
"""Types that take no time: that they have begun is not worth a line."""


async def follow(client: MillraceClient, execution_id: str, console: Console, *, as_json: bool = False) -> Execution:
    """Shows the execution's progress until it ends, and gives it as it then is.

    `as_json` writes every change as one JSON object a line to standard output in place of text.

    Raises:
        ServerUnreachable, Refused: as the client does.
    """
    progress = _Progress(console)
    with nullcontext() if as_json else progress.shown():
        async with aclosing(client.watch(execution_id)) as changes:
            async for change in changes:
                if as_json:
                    json_line({"event": change.kind, **change.data})
                else:
                    progress.take(change)
    return await _recorded(client, execution_id)


async def _recorded(client: MillraceClient, execution_id: str) -> Execution:
    """The execution that has ended. On AWS its history tells so a moment before its row does."""
    execution = await client.execution(execution_id)
    for _ in range(RECORDED_AFTER_LOOKS):
        if execution["status"] in TERMINAL:
            break
        await asyncio.sleep(LOOK_SECONDS)
        execution = await client.execution(execution_id)
    return execution


def json_line(value: Any) -> None:
    """Writes one JSON object as one line to standard output, at once."""
    sys.stdout.write(orjson.dumps(value, default=str).decode() + "\n")
    sys.stdout.flush()


class _Progress:
    """The nodes at work, and a line for each that has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._working: dict[tuple[str, int | None], tuple[str, float]] = {}

    def shown(self) -> AbstractContextManager[Any]:
        if not self._console.is_terminal:
            return nullcontext()
        return Live(console=self._console, get_renderable=self._live, transient=True, refresh_per_second=10)

    def take(self, change: Change) -> None:
        if change.kind != "node":
            return
        node, status = change.data, change.data.get("status", "")
        key = (node.get("node", ""), node.get("iteration"))
        if status == "running":
            again = key in self._working and node.get("attempts", 1) == 1  # a round of a loop, not a new attempt
            self._working.setdefault(key, (_label(node), monotonic()))
            if again or self._console.is_terminal or node.get("type") in INSTANT:
                return
        else:
            self._working.pop(key, None)
        self._console.print(node_line(node, utf8=_utf8(self._console)), soft_wrap=True)

    def _live(self) -> Group:
        now = monotonic()
        return Group(
            *(
                Spinner("dots", Text(f"{label}  {duration((now - since) * 1000)}"), style="cyan")
                for label, since in tuple(self._working.values())
            )
        )


def node_line(node: dict[str, Any], *, utf8: bool = True) -> Text:
    """One line for one change of a node: symbol, name, type, duration, and what is notable about it."""
    mark, style = symbol(node.get("status", ""), utf8=utf8)
    line = Text.assemble("  ", (mark, style), " ", f"{_label(node):<24}", (f" {node.get('type', ''):<10}", "dim"))
    line.append(f" {duration(node.get('duration_ms')):>9}" if node.get("status") != "running" else f" {'running':>9}")
    for note, note_style in _notes(node):
        line.append("  ").append(note, note_style)
    line.rstrip()
    return line


def symbol(status: str, *, utf8: bool = True) -> tuple[str, str]:
    """The symbol of a status, and its style."""
    mark, plain, style = SYMBOLS.get(status, ("?", "?", "dim"))
    return (mark if utf8 else plain), style


def duration(milliseconds: float | None) -> str:
    """`7 ms`, `1.2 s`, `3 min 07 s`; empty where there is none."""
    if milliseconds is None:
        return ""
    if round(milliseconds) < 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds:.0f} ms"
    if (seconds := round(milliseconds / 1000, 1)) < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {rest:02} s"


def why(error: dict[str, Any] | None) -> str:
    """An error as people read it. A Lambda's cause is JSON text around the message; the message alone is shown."""
    if not error:
        return ""
    cause = error.get("cause") or ""
    try:
        parsed = orjson.loads(cause)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("errorMessage"):
        cause = str(parsed["errorMessage"])
    return f"{error.get('name', 'Error')}: {cause}" if cause else str(error.get("name", "Error"))


def _notes(node: dict[str, Any]) -> list[tuple[str, str]]:
    meta, output = node.get("meta") or {}, node.get("output")
    notes = []
    if node.get("status") == "skipped":
        notes.append(("skipped", "dim"))
    if node.get("type") == "condition" and isinstance(output, dict) and "case" in output:
        notes.append((str(output["case"]), "cyan"))
    if meta.get("stand_in"):
        notes.append(("stand-in", "bold yellow"))
    if meta.get("model"):
        notes.append((str(meta["model"]), "dim"))
    if node.get("attempts", 1) > 1:
        notes.append((f"attempt {node['attempts']}", "yellow"))
    if node.get("error"):
        notes.append((why(node["error"]), "red"))
    return notes


def _label(node: dict[str, Any]) -> str:
    name = node.get("name") or node.get("node", "")
    return f"{name} [{node['iteration']}]" if node.get("iteration") is not None else str(name)


def _utf8(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")
