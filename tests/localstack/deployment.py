"""The whole product on an emulator: its bundles made, its stacks deployed by the real CDK, an owner's key fetched."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.localstack.emulator import REGION, ROOT, Emulator

CDK = ROOT / "infra" / "node_modules" / ".bin" / "cdk"
PREFIX = "millrace-localstack"
SECONDS = 400


@dataclass(frozen=True)
class Deployment:
    """What was deployed. `url` ends with a slash, `key` is the owner's."""

    emulator: Emulator
    url: str
    key: str
    database_url: str
    redis_url: str

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        return _client(self.emulator, service)


def deploy(emulator: Emulator, folder: Path, *, database_url: str, redis_url: str, hosts: str = "") -> Deployment:
    """Deploys every stack over the given stores. `hosts` are private addresses that nodes may call.

    Raises:
        RuntimeError: a command failed; with the end of what it wrote.
    """
    _run(["make", "infra/node_modules/.ready"], {})
    _run([sys.executable, "-m", "infra.bundles", "host"], {})
    context = {"env": "localstack", "database_url": database_url, "redis_url": redis_url, "allowed_hosts": hosts}
    options = [option for key, value in context.items() for option in ("-c", f"{key}={value}")]
    environment = {**emulator.environment, "HOME": str(folder), "CDK_DISABLE_VERSION_CHECK": "1"}
    _run([CDK, "bootstrap", "--quiet", "-o", folder / "bootstrap", *options], environment)
    assembly = ["-o", folder / "cdk.out", "--outputs-file", folder / "outputs.json"]
    _run(
        [CDK, "deploy", "--all", "--require-approval", "never", "--concurrency", "2", *assembly, *options], environment
    )
    outputs = json.loads((folder / "outputs.json").read_text())
    api_id = outputs[f"{PREFIX}-api"]["Url"].partition("//")[2].partition(".")[0]
    url = f"{emulator.endpoint}/_aws/execute-api/{api_id}/live/"
    return Deployment(emulator, url, _owner_key(emulator), database_url, redis_url)


def _owner_key(emulator: Emulator) -> str:
    """As an operator fetches it; see docs/operations.md. It migrates first: LocalStack leaves custom resources out."""
    event = json.dumps({"owner_key": "tests"})
    answer = _client(emulator, "lambda").invoke(FunctionName=f"{PREFIX}-migrate", Payload=event)
    body = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise RuntimeError(f"no key was made: {body}")
    return str(body["key"])


def _client(emulator: Emulator, service: str) -> Any:
    session = boto3.Session("test", "test", region_name=REGION)
    return session.client(service, endpoint_url=emulator.endpoint)


def _run(command: list[str | Path], environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-6000:]}")
