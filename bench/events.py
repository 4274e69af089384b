"""The event bus of a stage in a process of its own: events per second that are answered, and that start executions.

`python -m bench.events` runs it by itself. There are as many triggers as asked for; one of them wants the events.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench import machine
from tests.support import stage as stages

EVENTS = 5_000
BATCH = 100
CLIENTS = 8
DEFINITION: dict[str, Any] = {
    "name": "listener",
    "nodes": [{"id": "n", "type": "transform", "config": {"output": "{% $input.detail.n %}"}}],
    "output": "{% $n %}",
}


async def measure(url: str, *, triggers: int, wanted: bool) -> dict[str, Any]:
    """Publishes EVENTS in batches; where they are `wanted`, waits until each has started and ended its execution."""
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        workflow = await _deploy(client, triggers)
        source = "wanted" if wanted else "unwanted"
        batches = iter(range(EVENTS // BATCH))
        began = time.perf_counter()

        async def publisher() -> None:
            for number in batches:
                numbers = range(number * BATCH, (number + 1) * BATCH)
                events = [{"source": source, "detail-type": "bench", "detail": {"n": n}} for n in numbers]
                (await client.post("/api/events", json=events)).raise_for_status()

        await asyncio.gather(*(publisher() for _ in range(CLIENTS)))
        answered = time.perf_counter() - began
        figures = {"triggers": triggers, "wanted": wanted, "answered_per_s": round(EVENTS / answered)}
        if wanted:
            await _ended(client, workflow)
            figures["ended_per_s"] = round(EVENTS / (time.perf_counter() - began))
        await client.delete(f"/api/workflows/{workflow}")
        return figures


async def _deploy(client: httpx.AsyncClient, triggers: int) -> str:
    workflow: str = (await client.post("/api/workflows", json=DEFINITION)).raise_for_status().json()["id"]
    (await client.post(f"/api/workflows/{workflow}/activate")).raise_for_status()
    for number in range(triggers):
        source = "wanted" if number == 0 else f"other-{number}"
        body = {"type": "event", "config": {"pattern": {"source": [source]}}}
        (await client.post(f"/api/workflows/{workflow}/triggers", json=body)).raise_for_status()
    return workflow


async def _ended(client: httpx.AsyncClient, workflow: str) -> None:
    """Executions end nearly in the order in which they began: the first page that shows EVENTS ended is looked for."""
    while True:
        ended, cursor = 0, None
        while True:
            params = {"workflow_id": workflow, "status": "succeeded", "limit": 200} | (
                {"cursor": cursor} if cursor else {}
            )
            page = (await client.get("/api/executions", params=params)).raise_for_status().json()
            ended += len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
        if ended >= EVENTS:
            return
        await asyncio.sleep(0.5)


def main() -> None:
    """Measures with few triggers and with many."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        print(machine.facts(Path(folder)))
        with stages.running(Path(folder) / "data") as stage:
            for triggers, wanted in ((1, False), (1, True), (1_000, True)):
                print(asyncio.run(measure(stage.url, triggers=triggers, wanted=wanted)))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
