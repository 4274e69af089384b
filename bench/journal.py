"""The journal alone: commits and events per second of `write` with ten events of about 500 bytes, fsync on.

`python -m bench.journal` runs it by itself, on an embedded PostgreSQL in a temporary folder.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvloop

from bench import machine
from functions import migrate
from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.adapters.postgres.journal import PostgresJournal
from shared.executions.records import HistoryEvent
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID

EVENTS_PER_WRITE = 10
SECONDS = 2.0
_DETAILS = {"name": "classify", "output": "x" * 380, "assignedVariables": {"classify": "y" * 60}}


async def load(journal: PostgresJournal, concurrency: int, seconds: float) -> dict[str, Any]:
    """Each of `concurrency` writers appends to executions of its own, one write after the other, for `seconds`."""
    latencies: list[float] = []
    began = time.perf_counter()

    async def writer() -> None:
        while (start := time.perf_counter()) - began < seconds:
            at = datetime.now(UTC)
            events = [HistoryEvent(n, n - 1, "TaskStateExited", at, _DETAILS) for n in range(1, EVENTS_PER_WRITE + 1)]
            await journal.write(new_id(), DEFAULT_PROJECT_ID, events)
            latencies.append((time.perf_counter() - start) * 1000)

    await asyncio.gather(*(writer() for _ in range(concurrency)))
    took = time.perf_counter() - began
    return {
        "concurrency": concurrency,
        "writes_per_second": round(len(latencies) / took),
        "events_per_second": round(len(latencies) * EVENTS_PER_WRITE / took),
        "p50_ms": round(median(latencies), 2),
        "p99_ms": round(quantiles(latencies, n=100)[98], 2),
    }


async def measure(folder: Path, *, rounds: int = 3) -> list[dict[str, Any]]:
    """The median round for 1, 16 and 64 writers, and how many writes shared a commit."""
    server = EmbeddedPostgres(folder)
    commits = 0

    async def count(_: object) -> None:
        nonlocal commits
        commits += 1

    try:
        url = await server.start()
        await asyncio.to_thread(migrate.run, url)
        journal = PostgresJournal(url, on_commit=count)
        await load(journal, 16, SECONDS / 2)  # warm up
        results = []
        for concurrency in (1, 16, 64):
            samples = []
            for _ in range(rounds):
                commits = 0
                sample = await load(journal, concurrency, SECONDS)
                samples.append({**sample, "commits_per_second": round(commits / SECONDS)})
            results.append(sorted(samples, key=lambda sample: sample["writes_per_second"])[rounds // 2])
        await journal.close()
        return results
    finally:
        await server.stop()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        print(machine.facts(Path(folder)))
        for row in uvloop.run(measure(Path(folder) / "data")):
            print(row)


if __name__ == "__main__":
    main()
