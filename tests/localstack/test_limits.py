"""Limits on the deployed product: what has to wait begins when it may, and no earlier."""

import asyncio
from itertools import pairwise
from typing import Any

from tests.localstack.deployment import Api, until


def document(name: str, output: str, seconds: int = 0, **settings: Any) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [{"id": "a", "type": "transform", "config": {"output": output}}]
    edges = []
    if seconds:
        nodes.append({"id": "b", "type": "delay", "config": {"seconds": seconds}})
        edges.append({"from": "b", "to": "a"})
    return {"name": name, "settings": settings, "nodes": nodes, "edges": edges, "output": "{% $a %}"}


async def ran(api: Api, workflow: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Executions of the workflow in the order in which they began, once so many have succeeded."""

    async def look() -> list[dict[str, Any]] | None:
        found = (await api.get(f"api/executions?workflow_id={workflow['id']}"))["items"]
        ended = [each for each in found if each["status"] == "succeeded"]
        return sorted(ended, key=lambda each: each["started_at"]) if len(ended) >= count else None

    found: list[dict[str, Any]] = await until(look, 60)
    return found


async def test_executions_of_a_limited_workflow_never_overlap_and_tell_that_they_began(api: Api):
    limited = await api.active(document("one-by-one", "{% $input.n %}", 1, max_concurrency=1))
    heard = await api.active(document("hearing", "{% $input.detail.execution_id %}"))
    pattern = {"detail-type": ["execution.started"], "detail": {"workflow": ["one-by-one"]}}
    trigger = {"type": "event", "config": {"pattern": pattern}}
    listening = await api.http.post(f"api/workflows/{heard['id']}/triggers", json=trigger)

    started = [await api.start(limited, {"n": n}) for n in range(4)]
    cancelled = await api.http.post(f"api/executions/{started[3]}/cancel")

    executions = await ran(api, limited, 3)
    assert cancelled.status_code in (200, 202), cancelled.text
    assert [each["id"] for each in executions] == started[:3]
    assert all(one["completed_at"] < other["started_at"] for one, other in pairwise(executions))
    assert (await api.ended(started[3]))["status"] == "cancelled"
    told = [(await api.get(f"api/executions/{each['id']}"))["output"] for each in await ran(api, heard, 3)]
    assert sorted(told) == sorted(started[:3])
    await api.http.delete(f"api/triggers/{listening.json()['id']}")


async def test_a_burst_through_the_api_and_a_batch_of_deliveries_are_one_execution_each(api: Api):
    burst = await api.active(document("burst", "{% $input.n %}", flow_control={"debounce": {"period_seconds": 2}}))
    batch = {"max_size": 3, "max_wait_seconds": 600}
    batched = await api.active(document("batched", "{% [$input.items.body.n] %}", flow_control={"batch": batch}))
    config = {"verification": {"scheme": "none"}}
    trigger = {"type": "webhook", "config": config}
    hook = await api.http.post(f"api/workflows/{batched['id']}/triggers", json=trigger)
    path = f"webhooks/{hook.json()['webhook']['path']}"

    ids = [await api.start(burst, {"n": n}) for n in range(3)]
    answers = await asyncio.gather(*(api.http.post(path, json={"n": n}) for n in range(3)))

    assert len(set(ids)) == 1, "the caller is told which execution stands for the call"
    assert (await api.ended(ids[0]))["output"] == 2
    assert {each.status_code for each in answers} == {202}
    (one,) = await ran(api, batched, 1)
    assert sorted((await api.get(f"api/executions/{one['id']}"))["output"]) == [0, 1, 2]
