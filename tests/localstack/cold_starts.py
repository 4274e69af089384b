"""How long a function's real bundle takes from the start of its process to its first poll for work.

Others work on the machine, and the clock would say what they do. So the processor's time counts; the start waits for
nothing. As that is longer too while a core is shared, a start of boto3 is measured beside it.

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
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil

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
"""Of the processor, on a machine where fastapi and mangum alone take 600 ms."""
BOTO3_MS = 210
"""What boto3 with one client takes of a processor that nobody shares; where it takes more, so does all else."""
AS_ON_LAMBDA = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": emulator.REGION,
    "AWS_REGION": emulator.REGION,
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_LAMBDA_FUNCTION_NAME": "cold-start",
    "MILLRACE_STAGE": "aws",
}
"""What a Lambda finds in its environment, and that a stage of AWS is set."""


@dataclass(frozen=True)
class Start:
    """The quickest of some starts, in ms: of the processor, brought to a machine at rest; and by the clock."""

    processor: float
    clock: float


def cold_start(name: str, *, times: int = 5, enough_ms: float = 0, preloaded: bool = True) -> Start:
    """Starts a function a few times, as what else the machine does can only add to a start. No more once the
    processor's time is down at `enough_ms`. Unless `preloaded`, drivers are left to the first event.

    Raises:
        RuntimeError: the function did not start.
    """
    bundle = next(each for each in bundles.BUNDLES if each.name == name)
    path, _ = bundles.build(bundle, "host")
    processor = clock = reference = math.inf
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        for _ in range(times):
            found = _start(HANDLERS[name], Path(folder), preloaded=preloaded)
            processor, clock = min(processor, found.processor), min(clock, found.clock)
            if processor > enough_ms:
                reference = min(reference, _boto3_ms())
            if _at_rest(processor, reference) <= enough_ms:
                break
    return Start(_at_rest(processor, reference), clock)


def _at_rest(measured: float, reference: float) -> float:
    """`reference`: what boto3 took meanwhile; infinite where nobody asked."""
    return measured / max(1, reference / BOTO3_MS) if math.isfinite(reference) else measured


def _start(handler: str, folder: Path, *, preloaded: bool) -> Start:
    with _polled() as (address, polled):
        env = {"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": address, "LAMBDA_TASK_ROOT": str(folder)}
        env |= AS_ON_LAMBDA | ({"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"} if preloaded else {})
        command = [emulator.pythons().runtime, "-m", "awslambdaric", handler]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            if not polled.wait(30):
                process.kill()
                raise RuntimeError(f"{handler} did not start: {process.communicate()[0].decode()[-2000:]}")
            clock, used = time.perf_counter() - began, psutil.Process(process.pid).cpu_times()
            return Start((used.user + used.system) * 1000, clock * 1000)
        finally:
            process.kill()
            process.communicate()


def _boto3_ms() -> float:
    """What boto3 of Lambda's image takes of a processor now."""
    before = os.times()
    command = [emulator.pythons().runtime, "-I", "-c", "import boto3; boto3.client('sqs')"]
    subprocess.run(command, env={"PATH": os.environ["PATH"], **AS_ON_LAMBDA}, check=True, timeout=30)
    after = os.times()
    return (after.children_user + after.children_system - before.children_user - before.children_system) * 1000


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
    """Prints the figures of every function, and what of them is preloaded, which the first event would have to do."""
    for name, budget in BUDGETS_MS.items():
        whole = cold_start(name)
        later = whole.processor - cold_start(name, preloaded=False).processor
        sys.stdout.write(
            f"{name:12} {whole.processor:6.0f} ms of {budget:5}, by the clock {whole.clock:6.0f}, "
            f"preloaded {later:5.0f}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
