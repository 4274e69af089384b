"""Bulk runs on a stage of their own, through the command line; and through a kill."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import stage as stages
from tests.support.calls import Api, call, signed_in


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with stages.running(tmp_path_factory.mktemp("bulk") / "data", MILLRACE_ALLOWED_HOSTS="127.0.0.1") as running:
        yield running


DOUBLE = {"id": "double", "type": "transform", "config": {"output": "{% $input.n * 2 %}"}}
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


async def cli(stage: stages.Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.cli", "bulk", *arguments, "--url", stage.url]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)


async def published(stage: stages.Stage, name: str, nodes: list[Any], **fields: Any) -> str:
    api = Api(stage.url)
    try:
        return await api.publish(name, nodes, **fields)
    finally:
        await api.http.aclose()


async def test_a_csv_from_the_command_line_with_a_result_for_each_row(stage: stages.Stage, tmp_path: Path):
    await published(stage, "double", [DOUBLE], input_schema=SCHEMA, output="{% $double %}")
    file = tmp_path / "inputs.csv"
    file.write_text("n\n" + "".join(f"{n}\n" for n in range(500)))

    followed = await cli(stage, "start", "double", str(file), "--follow", "--json")

    assert followed.returncode == 0, followed.stderr
    bulk = json.loads(followed.stdout)
    assert (bulk["status"], bulk["counts"]["succeeded"]) == ("completed", 500)
    listed = await cli(stage, "items", bulk["id"], "--json")
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [each["index"] for each in found] == list(range(500))
    assert [each["output"] for each in found] == [2 * n for n in range(500)]


async def test_a_check_names_the_row_and_starts_nothing(stage: stages.Stage, tmp_path: Path):
    await published(stage, "checked", [DOUBLE], input_schema=SCHEMA)
    file = tmp_path / "inputs.jsonl"
    file.write_text('{"n": 1}\n{"n": "two"}\n')

    checked = await cli(stage, "start", "checked", str(file), "--check")

    assert checked.returncode == 2
    assert "1 inputs could start, 1 could not" in checked.stdout
    assert "inputs[1].n" in checked.stdout
    started = await cli(stage, "start", "checked", str(file))
    assert started.returncode == 2


async def test_a_cancel_stops_it_within_two_seconds(stage: stages.Stage):
    nap = {"id": "nap", "type": "delay", "config": {"seconds": 3600}}
    workflow = await published(stage, "napping", [nap])
    async with httpx.AsyncClient(base_url=stage.url, headers=signed_in()) as http:
        target = f"/api/workflows/{workflow}/bulk?max_in_flight=100"
        bulk = (await http.post(target, json=[{}] * 400)).raise_for_status().json()
        await until(http, bulk["id"], lambda found: found["counts"]["running"] == 100)

        (await http.post(f"/api/bulk/{bulk['id']}/cancel")).raise_for_status()

        async with asyncio.timeout(10):
            ended = await until(http, bulk["id"], lambda found: found["status"] == "cancelled")
        assert ended["counts"]["cancelled"] == 100
        assert ended["submitted"] == 100


async def test_what_failed_is_retried_from_where_it_failed(stage: stages.Stage, service: Any):
    receiver, url = service
    nodes = [call("first", f"{url}/first"), call("second", f"{url}/flaky", retry={"max_attempts": 1})]
    workflow = await published(stage, "flaky", nodes)
    async with httpx.AsyncClient(base_url=stage.url, headers=signed_in()) as http:
        bulk = (await http.post(f"/api/workflows/{workflow}/bulk", json=[{}] * 5)).raise_for_status().json()
        failed = await until(http, bulk["id"], lambda found: found["status"] == "completed")
        receiver.on.set()

        answer = await http.post(f"/api/bulk/{bulk['id']}/retry")

        ended = await until(http, bulk["id"], lambda found: found["status"] == "completed")
    assert (failed["counts"]["failed"], answer.json()["redriven"]) == (5, 5)
    assert ended["counts"]["succeeded"] == 5
    assert receiver.calls()["/first"] == 5, "what has succeeded is not run again"


async def test_a_kill_in_the_middle_loses_and_doubles_nothing(tmp_path: Path):
    with stages.running(tmp_path / "data") as first:
        workflow = await published(first, "double", [DOUBLE], output="{% $double %}")
        async with httpx.AsyncClient(base_url=first.url, headers=signed_in()) as http:
            inputs = [{"n": n} for n in range(4_000)]
            bulk = (await http.post(f"/api/workflows/{workflow}/bulk", json=inputs)).raise_for_status().json()
            await until(http, bulk["id"], lambda found: found["counts"]["succeeded"] > 500)
        first.kill()
    with stages.running(tmp_path / "data") as second:
        async with httpx.AsyncClient(base_url=second.url, headers=signed_in()) as http:
            ended = await until(http, bulk["id"], lambda found: found["status"] == "completed", seconds=120)
            listed = await http.get("/api/executions", params={"workflow_id": workflow, "limit": 1})
            items, cursor = Counter[int](), ""
            while True:
                page = (await http.get(f"/api/bulk/{bulk['id']}/items?limit=200&cursor={cursor}")).json()
                items.update(each["output"] - 2 * each["index"] for each in page["items"])
                if not (cursor := page["next_cursor"] or ""):
                    break
    assert ended["counts"]["succeeded"] == 4_000
    assert items == {0: 4_000}
    assert listed.status_code == 200


async def until(http: httpx.AsyncClient, bulk_id: str, wanted: Any, *, seconds: float = 40) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while not wanted(found := (await http.get(f"/api/bulk/{bulk_id}")).raise_for_status().json()):
            await asyncio.sleep(0.05)
    return found
