"""Flow control on the local stage, end to end, also over kill -9."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import stage as stages
from tests.support.calls import Api, Switch, call

SHAPE = [{"id": "n", "type": "transform", "config": {"output": "{% $input %}"}}]


@pytest.fixture(scope="module")
def stage_with_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """A stage whose workflows may call this machine."""
    folder = tmp_path_factory.mktemp("flow") / "data"
    with stages.running(folder, MILLRACE_ALLOWED_HOSTS="127.0.0.1") as stage:
        yield stage


@pytest.fixture
async def api(stage_with_service: stages.Stage) -> AsyncIterator[Api]:
    client = Api(stage_with_service.url)
    yield client
    await client.http.aclose()


def flow(**control: Any) -> dict[str, Any]:
    return {"settings": {"flow_control": control}}


async def execute(api: Api, workflow: str, data: Any) -> httpx.Response:
    return await api.http.post(f"/api/workflows/{workflow}/execute", json={"input": data})


async def ended(api: Api, workflow: str, count: int) -> list[dict[str, Any]]:
    """The workflow's executions, oldest first, once so many have succeeded."""
    async with asyncio.timeout(30):
        while True:
            params = {"workflow_id": workflow, "status": "succeeded", "limit": 200}
            items = (await api.http.get("/api/executions", params=params)).raise_for_status().json()["items"]
            if len(items) >= count:
                assert len(items) == count
                whole = [(await api.http.get(f"/api/executions/{each['id']}")).json() for each in items]
                return sorted(whole, key=lambda each: each["started_at"])
            await asyncio.sleep(0.05)


async def test_one_at_a_time_in_order(api: Api, service: tuple[Switch, str]):
    switch, url = service
    limit = flow(concurrency={"limit": 1})
    workflow = await api.publish("flow-one", [call("c", f"{url}/slow")], output="{% $input %}", **limit)
    for n in range(4):
        (await execute(api, workflow, n)).raise_for_status()
    async with asyncio.timeout(20):
        while not switch.calls():
            await asyncio.sleep(0.02)
    assert switch.calls() == {"/slow": 1}

    switch.on.set()

    found = await ended(api, workflow, 4)
    assert [each["output"] for each in found] == [0, 1, 2, 3]
    spans = [(each["started_at"], each["completed_at"]) for each in found]
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


async def test_a_batch_is_one_execution(api: Api):
    settings = flow(batch={"max_size": 5, "max_wait_seconds": 30})
    workflow = await api.publish("flow-batch", SHAPE, output="{% $n.items %}", **settings)

    answers = await asyncio.gather(*(execute(api, workflow, n) for n in range(5)))

    assert len({each.json()["execution_id"] for each in answers}) == 1
    (found,) = await ended(api, workflow, 1)
    assert sorted(found["output"]) == [0, 1, 2, 3, 4]


async def test_of_a_burst_the_last_one_counts(api: Api):
    workflow = await api.publish("flow-burst", SHAPE, output="{% $n %}", **flow(debounce={"period_seconds": 1}))

    for n in range(5):
        (await execute(api, workflow, n)).raise_for_status()

    (found,) = await ended(api, workflow, 1)
    assert found["output"] == 4


async def test_above_the_rate_limit_the_door_says_when_to_come_back(api: Api):
    control = flow(rate_limit={"limit": 2, "period_seconds": 60})
    workflow = await api.publish("flow-rate", SHAPE, output="{% $n %}", **control)
    body = {"type": "webhook", "config": {"verification": {"scheme": "none"}}}
    made = await api.http.post(f"/api/workflows/{workflow}/triggers", json=body)
    url = made.raise_for_status().json()["webhook"]["url"]

    answers = [await api.http.post(url, json={"n": n}) for n in range(3)]

    assert [each.status_code for each in answers] == [202, 202, 429]
    assert answers[2].json()["code"] == "flow.rate_limited"
    assert 50 <= int(answers[2].headers["retry-after"]) <= 60
    assert len(await ended(api, workflow, 2)) == 2


async def test_what_is_held_and_what_waits_survives_a_kill(tmp_path: Path):
    with stages.running(tmp_path / "data") as stage:
        api = Api(stage.url)
        throttle = flow(throttle={"limit": 5, "period_seconds": 1})
        waits = await api.publish("waits", SHAPE, output="{% $n %}", **throttle)
        batch = flow(batch={"max_size": 100, "max_wait_seconds": 2})
        held = await api.publish("held", SHAPE, output="{% $n.items %}", **batch)
        accepted = [await execute(api, waits, n) for n in range(12)] + [await execute(api, held, n) for n in range(7)]
        assert {each.status_code for each in accepted} == {202}
        stage.kill()
        await api.http.aclose()
    with stages.running(tmp_path / "data") as stage:
        api = Api(stage.url)
        assert sorted(each["output"] for each in await ended(api, waits, 12)) == list(range(12))
        assert [each["output"] for each in await ended(api, held, 1)] == [list(range(7))]
        await api.http.aclose()
