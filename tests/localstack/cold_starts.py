"""How long a function's real bundle takes from the start of its process to its first poll for work.

`python -m tests.localstack.cold_starts` prints it for every function.
"""

import math
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from infra import bundles
from infra.constructs.function import HANDLERS
from tests.localstack import emulator

BUDGETS_MS = {
    "webhook": 450,
    "http": 450,
    "tool": 450,
    "approval": 450,
    "dispatch": 700,
    "admit": 700,
    "complete": 700,
    "event": 700,
    "schedule": 700,
    "poll": 700,
    "bulk": 700,
    "housekeeping": 700,
    "migrate": 700,
    "api": 1_200,
    "agent": 1_500,
}
"""On a machine where fastapi and mangum alone take 600 ms."""


def cold_start_ms(name: str, *, times: int = 5, enough_ms: float = 0) -> float:
    """The quickest of some starts, in milliseconds: what else the machine does can only add to it. None is made after
    one that took `enough_ms` at most.

    Raises:
        RuntimeError: the function did not start.
    """
    bundle = next(each for each in bundles.BUNDLES if each.name == name)
    path, _ = bundles.build(bundle, "host")
    quickest = math.inf
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        for _ in range(times):
            quickest = min(quickest, _start(HANDLERS[name], Path(folder)))
            if quickest <= enough_ms:
                break
    return quickest


def _start(handler: str, folder: Path) -> float:
    with _polled() as (address, polled):
        env = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": address, "LAMBDA_TASK_ROOT": str(folder)}
        env |= {"AWS_REGION": emulator.REGION, "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}
        command = [emulator.pythons().runtime, "-m", "awslambdaric", handler]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            if not polled.wait(30):
                process.kill()
                raise RuntimeError(f"{handler} did not start: {process.communicate()[0].decode()[-2000:]}")
            return (time.perf_counter() - began) * 1000
        finally:
            process.kill()
            process.communicate()


@contextmanager
def _polled() -> Iterator[tuple[str, threading.Event]]:
    """A Runtime API that never has work, and whether it was asked for some."""
    asked = threading.Event()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    """Prints the figures of every function."""
    for name, budget in BUDGETS_MS.items():
        sys.stdout.write(f"{name:10} {cold_start_ms(name):7.0f} ms, budget {budget} ms\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
