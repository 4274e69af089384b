"""The queue first: what is delivered while the database is away is accepted, and runs once when it is back."""

import asyncio
import time
from typing import Any

import httpx

from tests.localstack.deployment import PREFIX, Api, Deployment, until
from tests.localstack.door import Door

AWAY_SECONDS = 30


async def hook(api: Api, name: str) -> tuple[dict[str, Any], str]:
    """A workflow that answers with what it is sent, and the path of its webhook."""
    node = {"id": "a", "type": "transform", "config": {"output": "{% $input.body.n %}"}}
    made = await api.active({"name": name, "nodes": [node], "edges": [], "output": "{% $a %}"})
    config = {"verification": {"scheme": "none"}, "delivery_id_header": "X-Delivery"}
    trigger = await api.http.post(f"api/workflows/{made['id']}/triggers", json={"type": "webhook", "config": config})
    return made, f"webhooks/{trigger.json()['webhook']['path']}"


async def deliver(api: Api, path: str, n: int) -> httpx.Response:
    return await api.http.post(path, json={"n": n}, headers={"X-Delivery": f"d-{n}"})


async def test_deliveries_while_the_database_is_away_are_accepted_and_each_runs_once(
    api: Api, deployment: Deployment, door: tuple[Door, str]
):
    made, path = await hook(api, "away")
    before = await deliver(api, path, 0)
    await api.delivered(before.json()["execution_id"])
    answers = [before]

    door[0].shut()
    try:
        began = time.monotonic()
        while time.monotonic() - began < AWAY_SECONDS:
            answers.append(await deliver(api, path, len(answers)))
            answers.append(await deliver(api, path, len(answers) - 1))  # the sender repeats it
            await asyncio.sleep(1)
        refused = await api.http.get(f"api/workflows/{made['id']}")
    finally:
        door[0].open()

    assert {each.status_code for each in answers} == {202}, [each.text for each in answers if each.status_code != 202]
    assert refused.status_code == 503, "the database was there"
    sent = len(answers) // 2 + 1
    accepted = {each.json()["execution_id"] for each in answers}
    assert len(accepted) == sent, "a repeated delivery is answered with the first one's execution"

    async def all_ran() -> list[Any] | None:
        found = (await api.get(f"api/executions?workflow_id={made['id']}&limit=200"))["items"]
        ended = [each for each in found if each["status"] == "succeeded"]
        return ended if len(ended) >= sent else None

    ran = await until(all_ran, 240)
    assert sorted(each["id"] for each in ran) == sorted(accepted), "each accepted delivery is one execution"
    outputs = [(await api.get(f"api/executions/{each['id']}"))["output"] for each in ran]
    assert sorted(outputs) == [0, *range(1, len(answers), 2)]
    sqs = deployment.client("sqs")
    dead = sqs.get_queue_url(QueueName=f"{PREFIX}-starts-normal-dead")["QueueUrl"]
    names = ["ApproximateNumberOfMessages"]
    assert sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=names)["Attributes"] == {names[0]: "0"}
