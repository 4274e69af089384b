"""W5: webhook → transform → condition → HTTP call to a loopback echo → transform → aggregate → answer.

Each node's result is persisted before the answer. The load comes from this process over keep-alive connections; the
stage runs in its own process, as `millrace up` does, with its embedded stores and their fsync on.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp

from local.cli.client import MillraceClient
from local.receiver import Receiver
from local.web import bind, serving, url_of
from shared.workflow.load import load_text

WORKFLOW = Path(__file__).parent.parent / "examples" / "w5" / "workflow.yaml"
RECEIVER_URL = "http://127.0.0.1:8099"
"""The address that the examples call; replaced by the benchmark's own receiver."""


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


async def deploy(client: MillraceClient, receiver_url: str) -> str:
    """Creates and activates W5 with a webhook that answers when the execution has finished; the webhook's path."""
    text = WORKFLOW.read_text().replace(RECEIVER_URL, receiver_url)
    workflow = await client.create_workflow(load_text(text))
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
                    raise RuntimeError(f"W5 answered {answer.status}: {body}")
            latencies.append((time.perf_counter() - began) * 1000)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(concurrency)))
        return Sample(concurrency, count, time.perf_counter() - began, latencies)


async def measure(stage_url: str, *, rounds: int = 3) -> list[dict[str, Any]]:
    """Latency at concurrency 1 and throughput at 16: the median round of each."""
    listener = bind("127.0.0.1", 0)
    async with serving(Receiver(), listener), MillraceClient(stage_url) as client:
        path = await deploy(client, url_of(listener))
        hook = f"{stage_url}/webhooks/{path}"
        await load(hook, concurrency=8, count=200)  # warm up
        results = []
        for concurrency, count in ((1, 150), (16, 1_500)):
            samples = [await load(hook, concurrency=concurrency, count=count) for _ in range(rounds)]
            results.append(sorted(samples, key=lambda each: each.seconds)[rounds // 2].summary())
        return results
