"""The queue first: what comes while the database is away is accepted, and runs once when it is back."""

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx

from shared.ids import new_id
from tests.localstack.deployment import PREFIX, Api, Deployment, until
from tests.localstack.door import Door
from tests.localstack.test_events import listener
from tests.localstack.test_schedules import fire, schedules, timed
from tests.triggers.source import source_server

AWAY_SECONDS = 30


async def hook(api: Api, name: str, **settings: Any) -> tuple[dict[str, Any], str]:
    """A workflow that answers with what it is sent, and the path of its webhook."""
    node = {"id": "a", "type": "transform", "config": {"output": "{% $input.body.n %}"}}
    document = {"name": name, "nodes": [node], "edges": [], "output": "{% $a %}", "settings": settings}
    made = await api.active(document)
    config = {"verification": {"scheme": "none"}, "delivery_id_header": "X-Delivery"}
    trigger = await api.http.post(f"api/workflows/{made['id']}/triggers", json={"type": "webhook", "config": config})
    return made, f"webhooks/{trigger.json()['webhook']['path']}"


async def deliver(api: Api, path: str, n: int) -> httpx.Response:
    return await api.http.post(path, json={"n": n}, headers={"X-Delivery": f"d-{n}"})


async def ran(api: Api, workflow: dict[str, Any], count: int) -> list[Any]:
    """The workflow's executions that have succeeded, once there are so many."""

    async def look() -> list[Any] | None:
        found = (await api.get(f"api/executions?workflow_id={workflow['id']}&limit=200"))["items"]
        ended = [each for each in found if each["status"] == "succeeded"]
        return ended if len(ended) >= count else None

    found: list[Any] = await until(look, 240)
    return found


async def ending_soon(api: Api, seconds: int) -> dict[str, Any]:
    """A workflow with an execution that runs, and ends by itself."""
    wait = {"id": "a", "type": "delay", "config": {"seconds": seconds}}
    made = await api.active({"name": "ends-away", "nodes": [wait], "edges": [], "output": 1})
    execution_id = await api.start(made, {})

    async def running() -> bool:
        return bool((await api.get(f"api/executions/{execution_id}"))["status"] == "running")

    await until(running)
    return made


async def test_whatever_comes_while_the_database_is_away_runs_once_when_it_is_back(
    api: Api, deployment: Deployment, door: tuple[Door, str]
):
    made, path = await hook(api, "away")
    keyed, keyed_path = await hook(api, "keyed-away", flow_control={"concurrency": {"limit": 1}})
    before = await deliver(api, path, 0)
    for answer in (before, await deliver(api, keyed_path, 0)):
        await api.delivered(answer.json()["execution_id"])
    answers = [before]
    topic = f"away-{new_id()}"
    heard = await listener(api, "hears-away", {"source": [topic]}, "{% $input.detail.n %}")
    rate = {"rate": {"value": 1, "unit": "hours"}}
    fired, fired_id = await timed(api, "fired-away", "{% $input.time %}", type="schedule", config=rate)
    async with source_server() as source:
        source.document = [{"id": 1}]
        asked = {"type": "http", "url": source.url}
        config = {"source": asked, "detect": {"by": "hash"}, "first_poll": {"policy": "emit_all"}}
        polling = {"type": "polling", "config": {"interval_seconds": 60, **config}}
        polled, polled_id = await timed(api, "polled-away", "{% $input.item.id %}", **polling)
        due = [*schedules(deployment, fired_id), *schedules(deployment, polled_id)]
        ended = await ending_soon(api, 10)

        door[0].shut()
        try:
            began = time.monotonic()
            await deliver(api, keyed_path, 1)
            event = {"EventBusName": PREFIX, "Source": topic, "DetailType": "told", "Detail": json.dumps({"n": 1})}
            deployment.client("events").put_events(Entries=[event])
            sqs = deployment.client("sqs")
            keeping = sqs.get_queue_url(QueueName=f"{PREFIX}-housekeeping")["QueueUrl"]
            sqs.send_message(QueueUrl=keeping, MessageBody=json.dumps({"work": "daily"}))
            for schedule in due:
                fire(deployment, schedule, datetime.now(UTC).replace(microsecond=0))
            while time.monotonic() - began < AWAY_SECONDS:
                answers.append(await deliver(api, path, len(answers)))
                answers.append(await deliver(api, path, len(answers) - 1))  # the sender repeats it
                await asyncio.sleep(1)
            refused = await api.http.get(f"api/workflows/{made['id']}")
        finally:
            door[0].open()

        assert refused.status_code == 503, "the database was there"
        await accepted_once(api, made, answers)
        for workflow in (heard, fired, polled, ended):
            assert len(await ran(api, workflow, 1)) == 1, workflow["name"]
        assert len(await ran(api, keyed, 2)) == 2
    nothing_is_dead(deployment)


async def accepted_once(api: Api, workflow: dict[str, Any], answers: list[httpx.Response]) -> None:
    """Each delivery came twice but the first, and each is one execution."""
    assert {each.status_code for each in answers} == {202}, [each.text for each in answers if each.status_code != 202]
    sent = len(answers) // 2 + 1
    accepted = {each.json()["execution_id"] for each in answers}
    assert len(accepted) == sent, "a repeated delivery is answered with the first one's execution"
    executions = await ran(api, workflow, sent)
    assert sorted(each["id"] for each in executions) == sorted(accepted), "each accepted delivery is one execution"
    outputs = [(await api.get(f"api/executions/{each['id']}"))["output"] for each in executions]
    assert sorted(outputs) == [0, *range(1, len(answers), 2)]


def nothing_is_dead(deployment: Deployment) -> None:
    sqs, names = deployment.client("sqs"), ["ApproximateNumberOfMessages"]
    for queue in ("starts-normal", "events", "ends", "fires", "polls", "wakes", "housekeeping"):
        dead = sqs.get_queue_url(QueueName=f"{PREFIX}-{queue}-dead")["QueueUrl"]
        assert sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=names)["Attributes"] == {names[0]: "0"}, queue
