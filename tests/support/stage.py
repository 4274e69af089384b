"""A local stage in a process of its own, as a user runs it; for end-to-end tests and the benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

START_SECONDS = 60
STOP_SECONDS = 20
_CREDENTIALS = ("OPENAI_", "ANTHROPIC_", "AWS_", "MILLRACE_", "DATABASE_URL", "REDIS_URL")


@dataclass
class Stage:
    """A running stage; `log` is the file that its standard output and error go to."""

    url: str
    data: Path
    log: Path
    process: subprocess.Popen[bytes]
    started_in: float
    """Seconds from the start of the process to the first ready answer."""

    @property
    def key(self) -> str:
        """The API key that the stage's first start made."""
        return (self.data / "owner.key").read_text().strip()

    @property
    def headers(self) -> dict[str, str]:
        """With which its API lets one in."""
        return {"Authorization": f"Bearer {self.key}"}

    def kill(self) -> None:
        """`kill -9`: nothing of it gets a chance to finish."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the stage did not stop within {STOP_SECONDS} s:\n{self.log.read_text()}") from None


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without model keys and Millrace settings, plus `settings`."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_CREDENTIALS)}
    return {**inherited, **settings}


def start(data: Path, *arguments: str, **settings: str) -> Stage:
    """Starts `millrace up` on `data` with more `arguments`, and waits until it is ready; `settings` are environment
    variables."""
    port = settings.setdefault("MILLRACE_PORT", str(free_port()))
    data.mkdir(parents=True, exist_ok=True)
    log = data.parent / f"{data.name}.log"
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cli", "up", *arguments],
            env=environment(MILLRACE_DATA=str(data), **settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    _wait_until_ready(url, process, log, began)
    return Stage(url, data, log, process, time.monotonic() - began)


@contextmanager
def running(data: Path, *arguments: str, **settings: str) -> Iterator[Stage]:
    """A stage for the length of the block, stopped by Ctrl-C at its end unless it was killed inside.

    Meanwhile the commands of this process sign in with its key.
    """
    stage = start(data, *arguments, **settings)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MILLRACE_API_KEY", stage.key)
            yield stage
    finally:
        if stage.process.poll() is None:
            stage.stop()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, began: float) -> None:
    while time.monotonic() - began < START_SECONDS:
        if process.poll() is not None:
            raise AssertionError(f"the stage ended with {process.returncode}:\n{log.read_text()}")
        try:
            if httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the stage was not ready within {START_SECONDS} s:\n{log.read_text()}")
