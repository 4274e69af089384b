"""`make bench`: measures the hot paths on this machine, prints them, and keeps the raw numbers in bench/results/."""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench import machine, w5
from tests.support import stage

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Runs every measurement."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        data = Path(folder) / "data"
        report: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        report["machine"] = machine.facts(Path(folder))
        console.print(report["machine"])
        with stage.running(data) as first:
            report["first_start_s"] = round(first.started_in, 2)
        with stage.running(data, MILLRACE_ALLOWED_HOSTS="127.0.0.1") as again, console.status("W5 …"):
            report["restart_s"] = round(again.started_in, 2)
            report["w5"] = asyncio.run(w5.measure(again.url))
    console.print(_table(report["w5"]))
    console.print(f"first start {report['first_start_s']} s, restart {report['restart_s']} s")
    target = RESULTS / f"{report['at'].replace(':', '')}.json"
    RESULTS.mkdir(exist_ok=True)
    target.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    console.print(f"raw numbers: {target.relative_to(Path.cwd())}")


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="W5, durable, one process, every node's result persisted")
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table


if __name__ == "__main__":
    main()
