"""`python -m bench.sleepers [N]`: memory and restart of a stage with N executions that sleep (100,000 by default).

Memory is that of the stage's own process and, beside it, of all its processes, stores included. It grows while the
sleepers are taken in, since Python and PostgreSQL keep what they once needed; what they cost is what is left after a
restart. After that `kill -9`, a new execution shows that the stage works, and a cancel wakes one sleeper.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rich.console import Console
from rich.progress import track

from bench import machine
from local.cli.client import MillraceClient
from tests.support import stage
from tests.support.calls import signed_in

NAP: dict[str, Any] = {
    "name": "sleeper",
    "settings": {"timeout_seconds": 90_000},
    "nodes": [{"id": "nap", "type": "delay", "config": {"seconds": 86_400}}],
}
_AT_ONCE = 64


def measure(count: int, console: Console) -> dict[str, Any]:
    """Figures by name."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        data = Path(folder) / "data"
        with stage.running(data) as first:
            before = memory(first)
            began = time.monotonic()
            ids = asyncio.run(_fall_asleep(first.url, count, console))
            asleep = time.monotonic() - began
            after = memory(first)
            first.kill()
        with stage.running(data) as second:
            time.sleep(3)  # what it does with them at its start is done
            restarted = memory(second)
            asyncio.run(_works(second.url, ids))
            return {
                "sleepers": count,
                "asleep_per_second": round(count / asleep),
                "restart_s": round(second.started_in, 2),
                "idle_mib": before,
                "with_sleepers_mib": after,
                "restarted_with_sleepers_mib": restarted,
                "per_10_000_mib": round((restarted["all"] - before["all"]) / count * 10_000, 1),
            }


def memory(running: stage.Stage) -> dict[str, float]:
    """MiB of the stage's process and of all its processes."""
    own = psutil.Process(running.process.pid).memory_full_info().pss / 2**20
    return {"own": round(own, 1), "all": round(machine.resident_mib(running.process.pid), 1)}


async def _fall_asleep(url: str, count: int, console: Console) -> list[str]:
    """Starts them all, and waits until none is in memory any more: the stage parks after 5 s."""
    async with MillraceClient(url) as client:
        workflow = await client.create_workflow(NAP)
        await client.activate(workflow["id"])
    target, ids = f"{url}/api/workflows/{workflow['id']}/execute", []
    numbers = iter(track(range(count), "falling asleep", console=console))

    async def start(session: aiohttp.ClientSession) -> None:
        for _ in numbers:
            async with session.post(target, json={}) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"the stage answered {answer.status}: {await answer.text()}")
                ids.append((await answer.json())["execution_id"])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=signed_in()) as session:
        await asyncio.gather(*(start(session) for _ in range(_AT_ONCE)))
    await asyncio.sleep(5)
    return ids


async def _works(url: str, ids: list[str]) -> None:
    async with MillraceClient(url) as client:
        await client.cancel(ids[0])
        async with asyncio.timeout(30):
            while (await client.execution(ids[0]))["status"] != "cancelled":
                await asyncio.sleep(0.05)
        if (await client.execution(ids[-1]))["status"] != "running":
            raise RuntimeError("a sleeper is not asleep")


def main() -> None:
    """Measures, and prints."""
    console = Console()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for name, value in measure(count, console).items():
        console.print(f"{name}: {value}")


if __name__ == "__main__":
    main()
