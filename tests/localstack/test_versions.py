"""Publishing again: a workflow's second version, the same version twice, and a connection tried out."""

from typing import Any

from redis.asyncio import Redis

from shared.adapters.redis.publish_queue import PREFIX
from tests.localstack.deployment import Api


def document(output: Any) -> dict[str, Any]:
    nodes = [{"id": "a", "type": "transform", "config": {"output": output}}]
    return {"name": "versions", "nodes": nodes, "edges": [], "output": "{% $a %}"}


async def forget(redis_url: str) -> None:
    """What the cache may lose at any time: which machines were published just now."""
    async with Redis.from_url(redis_url) as redis:
        async for key in redis.scan_iter(f"{PREFIX}machine:*"):
            await redis.delete(key)


async def test_a_second_version_runs_once_it_is_activated(api: Api, redis_url: str):
    made = await api.active(document(1))
    await forget(redis_url)
    assert (await api.http.post(f"api/workflows/{made['id']}/activate")).status_code == 200
    first = await api.ended(await api.start(made, {}))

    updated = await api.http.put(f"api/workflows/{made['id']}", json=document(2))
    assert updated.status_code == 200, updated.text
    for _ in range(2):  # again changes nothing
        await forget(redis_url)
        activated = await api.http.post(f"api/workflows/{made['id']}/activate")
        assert activated.status_code == 200, activated.text
    second = await api.ended(await api.start(made, {}))

    assert (first["version"], first["output"]) == (1, 1)
    assert (second["version"], second["output"]) == (2, 2)


async def test_a_connection_is_tried_out_by_the_tool_function(api: Api, echo: str):
    credentials = {"kind": "bearer", "token": "t-1", "hosts": ["127.0.0.1"]}
    made = await api.http.post("api/connections", json={"name": "tried", "credentials": credentials})
    assert made.status_code == 201, made.text

    tried = await api.http.post(f"api/connections/{made.json()['id']}/test", json={"url": f"http://{echo}/whoami"})

    assert tried.status_code == 200, tried.text
    assert tried.json()["error"] == "DestinationRefused"  # the service takes POST only
    assert "405" in tried.json()["message"]
