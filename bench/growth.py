"""`python -m bench.growth`: whether cost grows linearly, with the number of executions and the size of one history.

For each size the time per unit, and the slope of log(seconds) over log(size): 1 is linear, 2 quadratic.
"""

import asyncio
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import load
from bench.jobs import w5_pure
from local.cli.client import MillraceClient
from tests.support import stage

EXECUTIONS = (1_000, 3_000, 10_000, 30_000, 56_000)
"""In a row on one database: at the end it holds 100,000."""

ROUNDS = (2, 20, 200, 1_000, 2_800)
"""Of a loop with one tool call each; seven events a round, and at most 25,000 events in all."""


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The exponent of growth."""
    return linear_regression([math.log(each) for each in sizes], [math.log(each) for each in seconds]).slope


async def executions(url: str) -> list[tuple[int, float]]:
    """(executions, seconds) of W5-pure at concurrency 16, while the tables fill up."""
    async with MillraceClient(url) as client:
        hook = f"{url}/webhooks/{await load.deploy(client, w5_pure(''))}"
    await load.load(hook, concurrency=16, count=500)
    return [(count, (await load.load(hook, concurrency=16, count=count)).seconds) for count in EXECUTIONS]


async def histories(url: str) -> list[tuple[int, float]]:
    """(events, seconds) of one execution at a time, with a loop of more and more rounds. Nobody watches while it runs:
    a poll every 0.1 s, which is the error of the figures, costs nothing that grows."""
    found = []
    async with MillraceClient(url) as client:
        workflow = await client.create_workflow(looping())
        await client.activate(workflow["id"])
        for rounds in ROUNDS:
            started = await client.execute(workflow["id"], {"rounds": rounds})
            while (execution := await client.execution(started["execution_id"]))["completed_at"] is None:
                await asyncio.sleep(0.1 + rounds / 1_000)
            if execution["status"] != "succeeded":
                raise RuntimeError(f"the loop {execution['status']}: {execution['error']}")
            *_, last = [change async for change in client.watch(execution["id"])]
            found.append((int(last.id), (execution["duration_ms"] or 0) / 1_000))
    return found


def looping() -> dict[str, Any]:
    """A loop with one tool call a round, whose result is on disk before the next round."""
    call = {"tool": "csv.parse", "arguments": {"text": "{% 'round\n' & $string($index) %}"}}
    body = {"nodes": [{"id": "call", "type": "tool", "config": call}]}
    config = {"kind": "while", "condition": "{% $index < $input.rounds %}", "max_iterations": 3_000, "body": body}
    return {
        "name": "growth",
        "settings": {"timeout_seconds": 3_600},
        "nodes": [{"id": "rounds", "type": "loop", "config": config}],
    }


def main() -> None:
    """Measures both, and prints the curves."""
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder,
        stage.running(Path(folder) / "data", MILLRACE_ALLOWED_HOSTS="127.0.0.1") as running,
    ):
        console.print(_table("One execution, more and more events", "events", asyncio.run(histories(running.url))))
        console.print(
            _table("W5-pure, on a database that fills up", "executions", asyncio.run(executions(running.url)))
        )


def _table(title: str, unit: str, rows: list[tuple[int, float]]) -> Table:
    exponent = slope([size for size, _ in rows[1:]], [seconds for _, seconds in rows[1:]])
    table = Table(title=f"{title}: seconds grow with {unit} to the power of {exponent:.2f}")
    for column in (unit, "seconds", f"ms per {unit.removesuffix('s')}"):
        table.add_column(column, justify="right")
    for size, seconds in rows:
        table.add_row(f"{size:,}", f"{seconds:.2f}", f"{seconds / size * 1000:.3f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
