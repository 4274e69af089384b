"""`python -m bench.workers`: W5 with one worker process and with two, each held to a share of a core.

On a small machine one worker, PostgreSQL and the load share the cores: a second worker has none of its own. Held
to a share (stopped and continued by signals), each stands for a worker on a machine of its own.
"""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
from rich.console import Console

from bench import load
from bench.jobs import w5
from local.receiver import Receiver
from local.web import bind, serving, url_of
from tests.support import stage

SHARE = 0.25
_PERIOD_SECONDS = 0.02


def main() -> None:
    """Measures in turn, three times, and prints."""
    console = Console()
    for _ in range(3):
        for workers in (1, 2):
            console.print(f"{workers} at {SHARE:.0%} of a core: {asyncio.run(_measure(workers)):.0f} W5/s")


async def _measure(workers: int) -> float:
    settings = {"MILLRACE_ALLOWED_HOSTS": "127.0.0.1"}
    with (
        tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder,
        stage.running(Path(folder) / "data", "--workers", str(workers), **settings) as one,
    ):
        await asyncio.sleep(3)  # until every process listens
        async with serving(Receiver(), listener := bind("127.0.0.1", 0)):
            with _held(_serving(one)):
                found = await load.measure(one.url, url_of(listener), w5, {64: 1_500})
    return float(found[0]["per_second"])


def _serving(one: stage.Stage) -> list[psutil.Process]:
    """The processes that run executions: the one that was started, and those that it started of its own kind."""
    parent = psutil.Process(one.process.pid)
    return [parent, *(child for child in parent.children() if "local.child" in " ".join(child.cmdline()))]


@contextlib.contextmanager
def _held(processes: list[psutil.Process]) -> Iterator[None]:
    """Each of the processes runs a share of the time, as long as the block does."""
    over = Event()

    def hold() -> None:
        while not over.is_set():
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            time.sleep(_PERIOD_SECONDS * (1 - SHARE))
            for process in processes:
                process.send_signal(signal.SIGCONT)
            time.sleep(_PERIOD_SECONDS * SHARE)

    thread = Thread(target=hold, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for process in processes:
            process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    main()
