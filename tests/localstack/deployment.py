"""The whole product on an emulator: its bundles made, its stacks deployed by the real CDK, an owner's key fetched."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.localstack.emulator import REGION, ROOT, Emulator

CDK = ROOT / "infra" / "node_modules" / ".bin" / "cdk"
PREFIX = "millrace-localstack"
WHERE = f"aws://000000000000/{REGION}"
SECONDS = 400
LEFT_OUT = {"AWS::Events::Archive", "Custom::Schema"}
"""What is not emulated, and not needed here: replaying events, and migrating, which `_owner_key` does."""


@dataclass(frozen=True)
class Deployment:
    """What was deployed. `url` ends with a slash, `key` is the owner's."""

    emulator: Emulator
    url: str
    key: str

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        return self.emulator.client(service)


def deploy(emulator: Emulator, folder: Path, context: Mapping[str, str]) -> Deployment:
    """Deploys every stack with the given context: the stores' URLs, and what nodes may reach.

    Raises:
        RuntimeError: a command failed; with the end of what it wrote.
    """
    options = [option for key, value in {"env": "localstack", **context}.items() for option in ("-c", f"{key}={value}")]
    environment = {**emulator.environment, "HOME": str(folder), "CDK_DISABLE_VERSION_CHECK": "1"}
    _run(["make", "infra/node_modules/.ready"], {})
    with ThreadPoolExecutor() as side_by_side:
        # Without an app in sight, so that nothing is synthesised only to learn the account and the region.
        bootstrapped = side_by_side.submit(_run, [CDK, "bootstrap", WHERE], environment, folder)
        _run([sys.executable, "-m", "infra.bundles", "host"], {})
        _run([CDK, "synth", "--quiet", "-o", folder / "cdk.out", *options], environment)
        bootstrapped.result()
    how = ["--require-approval", "never", "--concurrency", "3", "--outputs-file", folder / "outputs.json"]
    _run([CDK, "deploy", "--all", "--app", folder / "cdk.out", *how], environment)
    _check_left_out(emulator)
    outputs = json.loads((folder / "outputs.json").read_text())
    api_id = outputs[f"{PREFIX}-api"]["Url"].partition("//")[2].partition(".")[0]
    url = f"{emulator.endpoint}/_aws/execute-api/{api_id}/live/"
    return Deployment(emulator, url, _owner_key(emulator))


def _check_left_out(emulator: Emulator) -> None:
    """LocalStack deploys a resource that it does not know as nothing, and only its log says so."""
    log = emulator.log.read_text(errors="replace") if emulator.log is not None else ""
    unknown = set(re.findall(r'No resource provider found for "([^"]+)"', log)) - LEFT_OUT
    if unknown:
        raise RuntimeError(f"LocalStack left out {', '.join(sorted(unknown))}, which LEFT_OUT does not expect.")


def _owner_key(emulator: Emulator) -> str:
    """As an operator fetches it; see docs/operations.md. It migrates first: LocalStack leaves custom resources out."""
    event = json.dumps({"owner_key": "tests"})
    answer = emulator.client("lambda").invoke(FunctionName=f"{PREFIX}-migrate", Payload=event)
    body = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise RuntimeError(f"no key was made: {body}")
    return str(body["key"])


def _run(command: list[str | Path], environment: dict[str, str], folder: Path = ROOT) -> None:
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-6000:]}")


@dataclass(frozen=True)
class Api:
    """The deployed REST API, as tests use it."""

    http: httpx.AsyncClient

    async def active(self, document: Any) -> dict[str, Any]:
        """A workflow that can be started."""
        answer = await self.http.post("api/workflows", json=document)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        activated = await self.http.post(f"api/workflows/{created['id']}/activate")
        assert activated.status_code == 200, activated.text
        return created

    async def start(self, workflow: dict[str, Any], given: Any) -> str:
        """The id of an execution."""
        answer = await self.http.post(f"api/workflows/{workflow['id']}/execute", json={"input": given})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["execution_id"])

    async def get(self, path: str) -> Any:
        """What a route answers."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, execution_id: str) -> dict[str, Any]:
        """The execution, once it has ended."""

        async def look() -> dict[str, Any] | None:
            found: dict[str, Any] = await self.get(f"api/executions/{execution_id}")
            return found if found["status"] not in ("queued", "running") else None

        return await until(look)

    async def delivered(self, execution_id: str) -> dict[str, Any]:
        """The execution of a webhook's delivery, once it has ended; before it is dispatched, there is none to read."""

        async def look() -> bool:
            return (await self.http.get(f"api/executions/{execution_id}")).status_code == 200

        await until(look, 120)
        return await self.ended(execution_id)


async def until(look: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """What `look` finds, once it finds something."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):
            await asyncio.sleep(0.2)
    return found
