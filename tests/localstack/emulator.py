"""LocalStack as a process of this machine, without Docker: its own environment, its start and its end."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localstack_client.session import Session

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
UV = ROOT / ".venv" / "bin" / "uv"
CACHE = ROOT / ".venv-localstack"
REGION = "us-east-1"
START_SECONDS = 90
STOP_SECONDS = 10
"""LocalStack takes 6 to 9 s to end, and hangs now and then; then it is killed."""


@dataclass(frozen=True)
class Pythons:
    """Interpreters of two environments, kept apart so that no function sees what LocalStack has installed."""

    server: Path
    runtime: Path


def pythons(cache: Path = CACHE) -> Pythons:
    """The environments for the lock files beside this module; made once, then found in `cache`."""
    plugins = sorted((HERE / "plugins").rglob("*.py"))
    server = _environment(cache, "server", HERE / "server.lock", [HERE / "plugins" / "pyproject.toml", *plugins])
    return Pythons(server, _environment(cache, "runtime", HERE / "runtime.lock", []))


def _environment(cache: Path, name: str, lock: Path, plugins: list[Path]) -> Path:
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in (lock, *plugins))).hexdigest()[:12]
    folder = cache / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        _uv("venv", "--quiet", "--clear", "--python", "3.11", str(folder))
        _uv("pip", "install", "--quiet", "--python", str(python), "--no-deps", "--requirements", str(lock))
        if plugins:
            _uv("pip", "install", "--quiet", "--python", str(python), "--no-deps", str(HERE / "plugins"))
        (folder / ".ready").touch()
    return python


def _uv(*arguments: str) -> None:
    env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    env.pop("VIRTUAL_ENV", None)
    subprocess.run([UV, *arguments], check=True, env=env)


@dataclass(frozen=True)
class Emulator:
    """A running emulator of AWS."""

    endpoint: str
    log: Path | None
    """LocalStack's log, where it was started here."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point the AWS SDKs, the CDK and the AWS CLI at it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",  # what LocalStack takes for the account 000000000000
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        host = self.endpoint.partition("//")[2]
        return Session("test", "test", region_name=REGION, localstack_host=host).client(service)


def given() -> Emulator | None:
    """The emulator that `LOCALSTACK_ENDPOINT` names: in Docker, on another machine, or started before."""
    endpoint = os.environ.get("LOCALSTACK_ENDPOINT")
    return Emulator(endpoint.rstrip("/"), None) if endpoint else None


@contextmanager
def started(folder: Path, port: int = 0) -> Iterator[Emulator]:
    """Runs LocalStack with everything it writes in `folder`; ends it, and every function it started, afterwards.

    Raises:
        RuntimeError: it did not become ready; with the end of its log.
    """
    port = port or _free_port()
    log = folder / "localstack.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [pythons().server, "-m", "localstack.runtime.main"],
            cwd=folder,
            env=_environment_of(folder, port),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, port, log)
        yield Emulator(f"http://127.0.0.1:{port}", log)
    finally:
        _stop(process)
        _kill_functions(folder)


def _environment_of(folder: Path, port: int) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE") if name in os.environ}
    return kept | {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "FILESYSTEM_ROOT": str(folder / "filesystem"),  # else a folder inside its own package
        "LOCALSTACK_ACKNOWLEDGE_ACCOUNT_REQUIREMENT": "1",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "LOCALSTACK_HOST": f"127.0.0.1:{port}",
        "SQS_ENDPOINT_STRATEGY": "path",
        "LAMBDA_RUNTIME_EXECUTOR": "subprocess",
        "LAMBDA_SUBPROCESS_PYTHON": str(pythons().runtime),
    }


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(f"http://127.0.0.1:{port}/_localstack/init/ready"):
            return
        time.sleep(0.1)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise RuntimeError(f"LocalStack was not ready within {START_SECONDS} s; the end of its log:\n{end}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(json.load(answer)["completed"])
    except (OSError, ValueError):
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_functions(folder: Path) -> None:
    """Functions run in process groups of their own; those that LocalStack did not end are ended here."""
    for file in folder.glob("**/lambda-sandbox-*/pid"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.killpg(int(file.read_text()), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
