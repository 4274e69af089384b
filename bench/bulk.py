"""`python -m bench.bulk [inputs]`: a bulk run of W5-pure, with the memory of the stage's own process while it runs."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import orjson
import psutil
from rich.console import Console
from rich.progress import Progress

from bench.jobs import w5_pure
from local.cli.client import MillraceClient
from tests.support import stage


def main() -> None:
    """Measures, and prints."""
    console = Console()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder, stage.running(Path(folder) / "data") as one:
        asyncio.run(_measure(one, count, console))


async def _measure(running: stage.Stage, count: int, console: Console) -> None:
    order = {"order": 1, "items": [{"sku": "a", "price": 12.5, "quantity": 2}], "priority": 1}
    line = orjson.dumps({"body": order})
    memory, began = [_own_mib(running)], time.perf_counter()
    async with MillraceClient(running.url) as client:
        workflow = await client.create_workflow(w5_pure(""))
        await client.activate(workflow["id"])
        data = b"\n".join([line] * count)
        bulk = await client.start_bulk(workflow["id"], data, "application/x-ndjson", max_in_flight=200)
        accepted = time.perf_counter() - began
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("running", total=count)
            while (bulk := await client.bulk(bulk["id"]))["status"] != "completed":
                memory.append(_own_mib(running))
                progress.update(task, completed=bulk["counts"]["succeeded"])
                await asyncio.sleep(1)
    seconds = time.perf_counter() - began
    tenths = quantiles(memory[1:], n=10)
    console.print(f"{bulk['counts']['succeeded']} of {count} succeeded in {seconds:.1f} s, {count / seconds:.0f}/s")
    console.print(f"accepted after {accepted:.2f} s")
    console.print(f"own memory, MiB: {memory[0]:.0f} idle, {tenths[4]:.0f} median, {max(memory):.0f} most")
    console.print(f"own memory by tenths of the run: {[round(each) for each in memory[:: max(1, len(memory) // 10)]]}")


def _own_mib(running: stage.Stage) -> float:
    return float(psutil.Process(running.process.pid).memory_full_info().uss) / 2**20


if __name__ == "__main__":
    main()
