"""Limits on the deployed product: what has to wait begins when it may, and no earlier."""

import asyncio
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


async def test_what_limits_hold_up_begins_in_its_turn(api: Api):
    """At once, since most of it is waiting."""
    await asyncio.gather(one_by_one(api), burst(api), batch(api))


async def one_by_one(api: Api) -> None:
    """Executions never overlap, and those that began are told of."""
    limited = await api.active(document("one-by-one", "{% $input.n %}", 1, max_concurrency=1))
    heard = await api.active(document("hearing", "{% $input.detail.execution_id %}"))
    pattern = {"detail-type": ["execution.started"], "detail": {"workflow": ["one-by-one"]}}
    trigger = {"type": "event", "config": {"pattern": pattern}}
    listening = await api.http.post(f"api/workflows/{heard['id']}/triggers", json=trigger)

    *started, third = [await api.start(limited, {"n": n}) for n in range(3)]
    cancelled = await api.http.post(f"api/executions/{third}/cancel")

    first, second = await ran(api, limited, 2)
    assert cancelled.status_code in (200, 202), cancelled.text
    assert [first["id"], second["id"]] == started
    assert first["completed_at"] < second["started_at"]
    assert (await api.ended(third))["status"] == "cancelled"
    told = [(await api.get(f"api/executions/{each['id']}"))["output"] for each in await ran(api, heard, 2)]
    assert sorted(told) == sorted(started)
    await api.http.delete(f"api/triggers/{listening.json()['id']}")


async def burst(api: Api) -> None:
    """Calls that follow one another are one execution, with the last one's input."""
    made = await api.active(document("burst", "{% $input.n %}", flow_control={"debounce": {"period_seconds": 2}}))

    ids = [await api.start(made, {"n": n}) for n in range(3)]

    assert len(set(ids)) == 1, "the caller is told which execution stands for the call"
    assert (await api.ended(ids[0]))["output"] == 2


async def batch(api: Api) -> None:
    """Deliveries to a webhook are one execution together."""
    control = {"batch": {"max_size": 3, "max_wait_seconds": 600}}
    made = await api.active(document("batched", "{% [$input.items.body.n] %}", flow_control=control))
    trigger = {"type": "webhook", "config": {"verification": {"scheme": "none"}}}
    hook = await api.http.post(f"api/workflows/{made['id']}/triggers", json=trigger)
    path = f"webhooks/{hook.json()['webhook']['path']}"

    answers = await asyncio.gather(*(api.http.post(path, json={"n": n}) for n in range(3)))

    assert {each.status_code for each in answers} == {202}
    (one,) = await ran(api, made, 1)
    assert sorted((await api.get(f"api/executions/{one['id']}"))["output"]) == [0, 1, 2]
