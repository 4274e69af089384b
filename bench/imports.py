"""`python -m bench.imports`: how long each function's module takes to load in an interpreter of its own.

The median of five, bytecode compiled; what a cold start adds to the start of the interpreter itself. How many modules
each may load is held by tests/architecture/test_import_budgets.py, since a count is the same on every machine.
"""

import subprocess
import sys
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
TIMES = 5
MEASURE = "import sys, time; t = time.perf_counter(); import {}; print(time.perf_counter() - t, len(sys.modules))"


def handlers() -> list[str]:
    """Every function's module."""
    found = (ROOT / "functions").rglob("handler.py")
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found)


def measured(module: str) -> tuple[float, int]:
    """(seconds, modules) of loading it, the first of all left out: it may compile bytecode."""
    runs = []
    for _ in range(TIMES + 1):
        command = [sys.executable, "-c", MEASURE.format(module)]
        seconds, count = subprocess.check_output(command, cwd=ROOT, text=True).split()
        runs.append((float(seconds), int(count)))
    return median(seconds for seconds, _ in runs[1:]), runs[-1][1]


def measure() -> dict[str, dict[str, float]]:
    """Milliseconds and modules of each function, by its package."""
    found = {}
    for module in handlers():
        seconds, count = measured(module)
        found[module.removesuffix(".handler")] = {"ms": round(seconds * 1000), "modules": count}
    return found


def table(found: dict[str, dict[str, float]]) -> Table:
    """For people."""
    made = Table("function", "ms", "modules")
    for name, each in found.items():
        made.add_row(name, f"{each['ms']:.0f}", f"{each['modules']:.0f}")
    return made


if __name__ == "__main__":
    Console().print(table(measure()))
