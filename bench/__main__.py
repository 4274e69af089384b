"""`make bench`: measures the hot paths on this machine, prints them, and keeps the raw numbers in bench/results/."""

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from bench import compile_time, imports, load, machine, sleepers
from bench.jobs import JOBS
from local.receiver import Receiver
from local.web import bind, serving, url_of
from tests.support import stage

RESULTS = Path(__file__).parent / "results"

PLANS = {"W5": {1: 150, 16: 1_500, 64: 2_000}, "W5-pure": {1: 300, 16: 2_500, 64: 3_000}}
"""Of each job: executions by concurrency."""

SHORT = {1: 40, 16: 200}
SLEEPERS = 10_000


def main() -> None:
    """Runs every measurement."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        data = Path(folder) / "data"
        report: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        report["machine"] = machine.facts(Path(folder))
        console.print(report["machine"])
        with console.status("compiling …"):
            report["compile"] = compile_time.measure()
        console.print(compile_time.table(report["compile"]))
        with stage.running(data) as first:
            report["first_start_s"] = round(first.started_in, 2)
        with stage.running(data, MILLRACE_ALLOWED_HOSTS="127.0.0.1") as again:
            report["restart_s"] = round(again.started_in, 2)
            report["idle_mib"] = round(machine.resident_mib(again.process.pid))
            report["jobs"] = asyncio.run(_jobs(again.url, console))
            report["start_to_first_node"] = asyncio.run(_first_node(again.url))
    console.print(f"start to first node (W5, one at a time): {report['start_to_first_node']}")
    console.print(
        f"first start {report['first_start_s']} s, restart {report['restart_s']} s, idle {report['idle_mib']} MiB"
    )
    report["sleepers"] = sleepers.measure(SLEEPERS, console)
    console.print(report["sleepers"])
    report["imports_ms"] = imports.measure()
    console.print(imports.table(report["imports_ms"]))
    target = RESULTS / f"{report['at'].replace(':', '')}.json"
    RESULTS.mkdir(exist_ok=True)
    target.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    console.print(f"raw numbers: {target.relative_to(Path.cwd())}")


async def _jobs(stage_url: str, console: Console) -> dict[str, list[dict[str, Any]]]:
    found = {}
    async with serving(Receiver(), listener := bind("127.0.0.1", 0)):
        for name, job in JOBS.items():
            with console.status(f"{name} …"):
                found[name] = await load.measure(stage_url, url_of(listener), job, PLANS.get(name, SHORT))
            console.print(_table(name, found[name]))
    return found


async def _first_node(stage_url: str) -> dict[str, Any]:
    async with serving(Receiver(), listener := bind("127.0.0.1", 0)):
        return await load.first_node(stage_url, url_of(listener), JOBS["W5"])


def _table(job: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"{job}, durable, one worker, every task's result persisted")
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table


if __name__ == "__main__":
    main()
