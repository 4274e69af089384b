"""The deployed product: a workflow is made, activated and run through the REST API, and what it did can be read."""

import time
from typing import Any

import httpx
import yaml

from tests.localstack.emulator import ROOT

SECONDS = 60


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples" / name / "workflow.yaml").read_text())
    return found


def active(api: httpx.Client, document: dict[str, Any]) -> dict[str, Any]:
    """A workflow that can be started."""
    created: dict[str, Any] = api.post("api/workflows", json=document).raise_for_status().json()
    api.post(f"api/workflows/{created['id']}/activate").raise_for_status()
    return created


def finished(api: httpx.Client, execution_id: str) -> dict[str, Any]:
    """The execution, once it has ended."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found: dict[str, Any] = api.get(f"api/executions/{execution_id}").raise_for_status().json()
        if found["status"] not in ("queued", "running"):
            return found
        time.sleep(0.2)
    raise AssertionError(f"not ended within {SECONDS} s: {found}")


def test_an_execution_runs_on_step_functions_and_is_read_through_the_api(api: httpx.Client):
    workflow = active(api, example("hello"))

    started = api.post(f"api/workflows/{workflow['id']}/execute", json={"input": {"name": "Ada"}})
    assert started.status_code == 202, started.text
    execution = finished(api, started.json()["execution_id"])

    assert execution["status"] == "succeeded", execution
