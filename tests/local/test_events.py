"""The event bus on the local stage, end to end: chains, dead letters, switching off, replays."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.cli.app import run
from tests.support import stage as stages
from tests.support.calls import Api

STRICT = {"type": "object", "properties": {"detail": {"required": ["n"]}}}
NODES = [{"id": "n", "type": "transform", "config": {"output": "{% $input.detail.n %}"}}]


@pytest.fixture
async def api(stage: stages.Stage) -> AsyncIterator[Api]:
    client = Api(stage.url)
    yield client
    await client.http.aclose()


async def listener(api: Api, name: str, pattern: dict[str, Any], **fields: Any) -> tuple[str, str]:
    """Ids of a workflow and its trigger."""
    config = {"pattern": pattern, **fields.pop("config", {})}
    nodes = fields.pop("nodes", NODES)
    workflow = await api.publish(name, nodes, **fields)
    body = {"type": "event", "config": config}
    answer = await api.http.post(f"/api/workflows/{workflow}/triggers", json=body)
    return workflow, str(answer.raise_for_status().json()["id"])


async def publish(api: Api, source: str, **fields: Any) -> None:
    event = {"source": source, "detail-type": "sold", **fields}
    (await api.http.post("/api/events", json=event)).raise_for_status()


async def until(api: Api, path: str, holds: Callable[[list[Any]], Any], **params: Any) -> list[Any]:
    """The items of a list, once `holds` says so of them."""
    async with asyncio.timeout(20):
        while True:
            items = (await api.http.get(path, params=params)).raise_for_status().json()["items"]
            if holds(items):
                return list(items)
            await asyncio.sleep(0.05)


async def outputs(api: Api, workflow: str, count: int) -> list[Any]:
    """Outputs of the workflow's executions, once so many have ended."""

    def ended(items: list[Any]) -> bool:
        return len([each for each in items if each["status"] == "succeeded"]) >= count

    found = await until(api, "/api/executions", ended, workflow_id=workflow)
    return [(await api.http.get(f"/api/executions/{each['id']}")).json()["output"] for each in found]


async def test_workflows_follow_one_another(api: Api):
    pattern = {"source": ["millrace.executions"], "detail-type": ["execution.succeeded"]}
    first, _ = await listener(api, "chain-first", {"source": ["chain"]}, output="{% $n + 1 %}")
    own = pattern | {"detail": {"workflow": ["chain-first"]}}
    second, _ = await listener(
        api, "chain-second", own, config={"input": {"detail": {"n": "{% $event.detail.output %}"}}}, output="{% $n %}"
    )

    await publish(api, "chain", detail={"n": 6})

    assert await outputs(api, first, 1) == [7]
    assert await outputs(api, second, 1) == [7]


async def test_a_dead_letter_is_started_again_from_the_command_line(api: Api, capsys: pytest.CaptureFixture[str]):
    workflow, trigger = await listener(
        api, "letters", {"source": ["letters"]}, input_schema=STRICT, output="{% $input.detail.m %}"
    )
    await publish(api, "letters", detail={"m": 5})
    (letter,) = await until(api, "/api/dead-letters", bool, trigger_id=trigger)
    url = str(api.http.base_url)

    def cli(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(["dead-letters", *arguments, "--url", url])
        return code, capsys.readouterr().out

    code, told = await asyncio.to_thread(cli, "list", "--trigger", trigger)
    assert (code, letter["id"] in told, "input.invalid" in told) == (0, True, True)
    assert (await asyncio.to_thread(cli, "redrive", letter["id"]))[0] == 4, "the workflow still refuses it"
    definition = {"name": "letters", "nodes": NODES, "output": "{% $input.detail.m %}"}
    definition["nodes"] = [{"id": "n", "type": "transform", "config": {"output": "{% $input.detail.m %}"}}]
    (await api.http.put(f"/api/workflows/{workflow}", json=definition)).raise_for_status()

    code, told = await asyncio.to_thread(cli, "redrive", letter["id"])

    assert code == 0
    assert await outputs(api, workflow, 1) == [5]
    assert '"status": "redriven"' in (await asyncio.to_thread(cli, "show", letter["id"]))[1]


async def test_a_trigger_that_fails_persistently_is_switched_off_and_another_workflow_hears_of_it(api: Api):
    pattern = {"source": ["millrace.triggers"]}
    nodes = [{"id": "who", "type": "transform", "config": {"output": "{% $input.detail.trigger_id %}"}}]
    watcher, _ = await listener(api, "watcher", pattern, nodes=nodes, output="{% $who %}")
    config = {"pause_after_failures": 3}
    workflow, trigger = await listener(api, "failing", {"source": ["failing"]}, input_schema=STRICT, config=config)

    for _ in range(3):
        await publish(api, "failing")

    assert await outputs(api, watcher, 1) == [trigger]
    (shown,) = await until(api, f"/api/workflows/{workflow}/triggers", bool)
    assert shown["is_active"] is False
    state = (await api.http.get(f"/api/triggers/{trigger}/state")).json()["state"]
    assert state["paused_reason"].startswith("3 events in a row started nothing, the last one because: ")


async def test_a_replay_shows_the_archive_to_a_new_trigger(api: Api):
    began = datetime.now(UTC)
    for n in range(250):  # more than a page
        await publish(api, "replayed", detail={"n": n})
    workflow, trigger = await listener(api, "replays", {"source": ["replayed"]}, output="{% $n %}")
    body = {
        "name": "again",
        "trigger_ids": [trigger],
        "starts_at": began.isoformat(),
        "ends_at": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(),
        "pattern": {"detail": {"n": [{"numeric": ["<", 150]}]}},
    }

    (await api.http.post("/api/events/replays", json=body)).raise_for_status()

    assert sorted(await outputs_of_many(api, workflow, 150)) == list(range(150))
    (replay,) = await until(api, "/api/events/replays", lambda found: found[0]["status"] == "completed")
    assert (replay["delivered"], replay["scanned"] >= 250) == (150, True)


async def outputs_of_many(api: Api, workflow: str, count: int) -> list[Any]:
    found = await until(
        api,
        "/api/executions",
        lambda items: [each["status"] for each in items] == ["succeeded"] * count,
        workflow_id=workflow,
        limit=200,
    )
    return [(await api.http.get(f"/api/executions/{each['id']}")).json()["output"] for each in found]
