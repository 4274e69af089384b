"""Load on a webhook of a stage in a process of its own, with embedded stores and fsync on, as `millrace up` runs it.

The load comes from this process over keep-alive connections.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from statistics import median, quantiles
from typing import Any

import aiohttp

from bench.jobs import Job
from local.cli.client import MillraceClient
from local.cli.shapes import Execution


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: requests in flight, how many, seconds in all, and each latency in milliseconds."""

    concurrency: int
    count: int
    seconds: float
    latencies_ms: list[float]

    def summary(self) -> dict[str, Any]:
        cuts = quantiles(self.latencies_ms, n=100)
        return {
            "concurrency": self.concurrency,
            "executions": self.count,
            "per_second": round(self.count / self.seconds, 1),
            "p50_ms": round(median(self.latencies_ms), 1),
            "p95_ms": round(cuts[94], 1),
            "p99_ms": round(cuts[98], 1),
        }


async def deploy(client: MillraceClient, definition: dict[str, Any]) -> str:
    """Creates and activates the workflow with a webhook that answers when the execution has finished; its path."""
    workflow = await client.create_workflow(definition)
    await client.activate(workflow["id"])
    config = {"verification": {"scheme": "none"}, "respond": "finished"}
    trigger = await client.create_trigger(workflow["id"], config=config)
    if trigger["webhook"] is None:
        raise RuntimeError("the trigger has no webhook")
    return trigger["webhook"]["path"]


async def load(url: str, *, concurrency: int, count: int) -> Sample:
    """Sends `count` deliveries, `concurrency` at a time; each must answer 200 with the workflow's output."""
    latencies: list[float] = []
    numbers = iter(range(count))

    async def client(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            order = {"order": number, "items": [{"sku": "a", "price": 12.5, "quantity": 2}], "priority": number % 10}
            began = time.perf_counter()
            async with session.post(url, json=order) as answer:
                body = await answer.json()
                if answer.status != 200:
                    raise RuntimeError(f"the webhook answered {answer.status}: {body}")
            latencies.append((time.perf_counter() - began) * 1000)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(concurrency)))
        return Sample(concurrency, count, time.perf_counter() - began, latencies)


async def first_node(stage_url: str, receiver_url: str, job: Job, *, count: int = 50) -> dict[str, Any]:
    """Milliseconds from an execution's start request to its first node's start, as the history has them; one at a time.

    Times of the history are whole milliseconds, so that half of one is the error of a single figure.
    """
    async with MillraceClient(stage_url) as client:
        definition = job(receiver_url) | {"name": "first-node"}
        await load(f"{stage_url}/webhooks/{await deploy(client, definition)}", concurrency=1, count=count)
        page = await client.executions(limit=count)
        found = [await client.execution(each["id"]) for each in page.items]
    waits = [_milliseconds_to_first_node(each) for each in found]
    return {"executions": len(waits), "p50_ms": round(median(waits), 1), "p95_ms": round(quantiles(waits, n=20)[-1], 1)}


def _milliseconds_to_first_node(execution: Execution) -> float:
    starts = [datetime.fromisoformat(run["started_at"]) for run in execution["nodes"] if run["started_at"]]
    return (min(starts) - datetime.fromisoformat(execution["created_at"])).total_seconds() * 1000


async def measure(
    stage_url: str, receiver_url: str, job: Job, plan: dict[int, int], *, rounds: int = 3
) -> list[dict[str, Any]]:
    """Latency and throughput of a job: for each concurrency of `plan` (→ executions) the median round."""
    async with MillraceClient(stage_url) as client:
        hook = f"{stage_url}/webhooks/{await deploy(client, job(receiver_url))}"
    await load(hook, concurrency=8, count=max(plan.values()) // 8)  # warm up
    results = []
    for concurrency, count in plan.items():
        samples = [await load(hook, concurrency=concurrency, count=count) for _ in range(rounds)]
        results.append(sorted(samples, key=lambda each: each.seconds)[rounds // 2].summary())
    return results
