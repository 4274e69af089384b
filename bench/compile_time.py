"""`python -m bench.compile_time`: how long it takes to compile workflows of 10 to 5,000 nodes, in the shapes of
tests/support/shapes.py.

For each size the median of some rounds, and the slope of log(seconds) over log(nodes) above 100 nodes: 1 is linear, 2
quadratic. What ends with a limit's diagnostic is marked; the time is that of the answer.
"""

import gc
import json
import time
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.growth import slope
from shared.errors import InvalidDefinition
from shared.workflow import expressions
from statemachines.compiler import compile_workflow
from tests.support.shapes import SHAPES

SIZES = {10: 20, 100: 10, 1_000: 5, 5_000: 3}
"""Nodes → rounds."""

STEEP = 100
"""Below, start-up costs hide the growth."""


def once(text: str) -> tuple[float, str]:
    """Seconds, and the limit that the definition breaks (or nothing). Nothing of an earlier round is reused."""
    document = json.loads(text)
    expressions.compiled.cache_clear()
    gc.collect()
    began = time.perf_counter()
    try:
        compile_workflow(document)
    except InvalidDefinition as error:
        return time.perf_counter() - began, ", ".join(sorted({each.code for each in error.diagnostics}))
    return time.perf_counter() - began, ""


def measure() -> list[dict[str, Any]]:
    """A row for each shape: median milliseconds and limits by number of nodes, and the growth exponent."""
    rows: list[dict[str, Any]] = []
    for name, shape in SHAPES.items():
        medians: dict[int, float] = {}
        limits: dict[int, str] = {}
        for size, rounds in SIZES.items():
            text = json.dumps(shape(size))
            found = [once(text) for _ in range(rounds)]
            medians[size], limits[size] = median(seconds for seconds, _ in found), found[0][1]
        steep = [size for size in SIZES if size >= STEEP]
        rows.append(
            {
                "shape": name,
                "ms": {str(size): round(seconds * 1000, 2) for size, seconds in medians.items()},
                "limits": {str(size): limit for size, limit in limits.items() if limit},
                "exponent": round(slope(steep, [medians[size] for size in steep]), 2),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for a terminal; `*` marks what ends with a limit's diagnostic."""
    found = Table(title="Compiling, ms by number of nodes (median; *: answered with a limit's diagnostic)")
    for column in ("shape", *(f"{size:,}" for size in SIZES), "exponent"):
        found.add_column(column, justify="left" if column == "shape" else "right")
    for row in rows:
        times = [f"{row['ms'][str(size)]:,.1f}{'*' if str(size) in row['limits'] else ''}" for size in SIZES]
        found.add_row(row["shape"], *times, f"{row['exponent']:.2f}")
    return found


if __name__ == "__main__":
    Console().print(table(measure()))
