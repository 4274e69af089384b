"""The main job, as `make run ONCE=1` does it: a real process, real stores, the public API."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support import stage as stages
from tests.support.openai_server import filled_in, openai_server


def run_demo(data: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    settings.setdefault("MILLRACE_PORT", str(stages.free_port()))
    return subprocess.run(
        [sys.executable, "-m", "local.cli", "up", "--demo", "--once"],
        env=stages.environment(MILLRACE_DATA=str(data), **settings),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("main-job")


@pytest.fixture(scope="module")
def first(folder: Path) -> subprocess.CompletedProcess[str]:
    return run_demo(folder / "data")


def test_the_demo_succeeds_and_shows_every_node(first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    for node in ("Read the issue", "Is it urgent?", "Page the person", "Write a checklist", "Publish the report"):
        assert f"+ {node}" in first.stdout or f"✓ {node}" in first.stdout
    assert "succeeded" in first.stdout
    assert "curl -s http://127.0.0.1:" in first.stdout


def test_the_stand_in_model_is_labelled(first: subprocess.CompletedProcess[str]) -> None:
    assert "demo:triage" in first.stdout
    assert "stand-in" in first.stdout


def test_nothing_but_the_report_is_on_standard_output(first: subprocess.CompletedProcess[str]) -> None:
    assert not [line for line in first.stdout.splitlines() if line.startswith('{"timestamp"')]
    assert "Traceback" not in first.stdout + first.stderr


def test_a_second_run_finds_its_data_again(folder: Path, first: subprocess.CompletedProcess[str]) -> None:
    again = run_demo(folder / "data")
    assert again.returncode == 0, again.stdout + again.stderr
    with stages.running(folder / "data") as stage:
        workflows = httpx.get(f"{stage.url}/api/workflows", headers=stage.headers).json()["items"]
        executions = httpx.get(f"{stage.url}/api/executions", headers=stage.headers).json()["items"]
    assert [each["name"] for each in workflows] == ["github-issue-triage"]
    assert [each["status"] for each in executions] == ["succeeded", "succeeded"]


async def test_with_a_base_url_it_runs_on_a_real_model_server(tmp_path: Path) -> None:
    triage = {
        "category": "bug",
        "urgency": 2,
        "labels": ["bug"],
        "summary": "Orders get lost.",
        "reason": "It says so.",
    }
    async with openai_server() as server:
        server.answers = [filled_in(triage)]
        model = {"OPENAI_BASE_URL": server.url, "MILLRACE_DEFAULT_MODEL": "openai:tested-model"}
        run = await asyncio.to_thread(run_demo, tmp_path / "data", **model)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "openai:tested-model" in run.stdout
    assert "stand-in" not in run.stdout
    assert '"urgency": 2' in run.stdout
    assert "Orders are lost when two workers take the same batch" in str(server.messages)


def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    stage = stages.start(tmp_path / "data")
    assert stage.stop() == 0
    assert "Traceback" not in stage.log.read_text()


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with stages.running(tmp_path / "one") as stage:
        port = stage.url.rsplit(":", 1)[1]
        second = run_demo(tmp_path / "two", MILLRACE_PORT=port)
    assert second.returncode == 2
    assert f"127.0.0.1:{port}" in second.stderr
    assert "MILLRACE_PORT" in second.stderr


def test_a_data_folder_in_use_is_a_clear_error(tmp_path: Path) -> None:
    with stages.running(tmp_path / "data") as stage:
        second = run_demo(tmp_path / "data")
        assert httpx.get(f"{stage.url}/readyz").status_code == 200  # the first one is not disturbed
    assert second.returncode == 2
    assert "in use" in second.stderr


def test_a_host_that_is_not_loopback_is_refused(tmp_path: Path) -> None:
    second = run_demo(tmp_path / "data", MILLRACE_HOST="0.0.0.0")
    assert second.returncode == 2
    assert "host" in second.stderr.lower()
