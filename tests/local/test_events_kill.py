"""`kill -9` of a stage that dispatches events: each event that was answered starts each trigger's execution once."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.support import stage as stages

EVENTS = 300
TRIGGERS = 2
DEFINITION: dict[str, Any] = {
    "name": "listener",
    "nodes": [{"id": "n", "type": "transform", "config": {"output": "{% $input.detail.n %}"}}],
    "output": "{% $n %}",
}


async def test_every_published_event_starts_every_trigger_once(tmp_path: Path) -> None:
    with stages.running(tmp_path / "data") as stage:
        async with httpx.AsyncClient(base_url=stage.url, headers=stage.headers) as client:
            workflow = (await client.post("/api/workflows", json=DEFINITION)).raise_for_status().json()["id"]
            (await client.post(f"/api/workflows/{workflow}/activate")).raise_for_status()
            for _ in range(TRIGGERS):
                body = {"type": "event", "config": {"pattern": {"source": ["test"]}}}
                (await client.post(f"/api/workflows/{workflow}/triggers", json=body)).raise_for_status()
            accepted = await publish_and_kill(client, stage)
    with stages.running(tmp_path / "data") as stage:
        async with httpx.AsyncClient(base_url=stage.url, headers=stage.headers) as client:
            found = await wait_until_all_end(client, workflow, accepted)
    counted = Counter(each["output"] for each in found)
    assert {n: counted[n] for n in accepted} == dict.fromkeys(accepted, TRIGGERS)
    assert set(counted.values()) == {TRIGGERS}
    assert {each["status"] for each in found} == {"succeeded"}


async def publish_and_kill(client: httpx.AsyncClient, stage: stages.Stage) -> list[int]:
    """The events that were answered before the kill."""
    accepted: list[int] = []

    async def publish(n: int) -> None:
        event = {"id": f"e{n}", "source": "test", "detail-type": "n", "detail": {"n": n}}
        try:
            (await client.post("/api/events", json=event)).raise_for_status()
        except httpx.HTTPError:
            return
        accepted.append(n)
        if len(accepted) == EVENTS // 2:
            stage.kill()

    await asyncio.gather(*(publish(n) for n in range(EVENTS)))
    assert EVENTS // 2 <= len(accepted) < EVENTS, "the kill came too late to meet work in flight"
    return accepted


async def wait_until_all_end(client: httpx.AsyncClient, workflow: str, accepted: list[int]) -> list[dict[str, Any]]:
    """Every execution of the workflow, once each accepted event has its own and all have ended."""
    async with asyncio.timeout(60):
        while True:
            items: list[dict[str, Any]] = []
            cursor: str | None = None
            while True:
                params = {"workflow_id": workflow, "limit": "200", **({"cursor": cursor} if cursor else {})}
                page = (await client.get("/api/executions", params=params)).raise_for_status().json()
                items += page["items"]
                if (cursor := page["next_cursor"]) is None:
                    break
            ended = [each for each in items if each["status"] not in ("queued", "running")]
            if len(ended) == len(items) >= TRIGGERS * len(accepted) and len(items) % TRIGGERS == 0:
                return [(await client.get(f"/api/executions/{each['id']}")).json() for each in ended]
            await asyncio.sleep(0.2)
