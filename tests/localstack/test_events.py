"""Events on the deployed bus: published by the API and by others, and by executions that end."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.ids import new_id
from tests.localstack.deployment import PREFIX, Api, Deployment, until

LISTENING: list[str] = []
"""Triggers of the test that runs."""


async def listener(api: Api, name: str, pattern: dict[str, Any], output: str, given: Any = None) -> dict[str, Any]:
    """A workflow that an event trigger starts."""
    node = {"id": "a", "type": "transform", "config": {"output": output}}
    made = await api.active({"name": name, "nodes": [node], "edges": [], "output": "{% $a %}"})
    config = {"pattern": pattern} | ({} if given is None else {"input": given})
    answer = await api.http.post(f"api/workflows/{made['id']}/triggers", json={"type": "event", "config": config})
    assert answer.status_code == 201, answer.text
    LISTENING.append(answer.json()["id"])
    return made


@pytest.fixture(autouse=True)
async def _nobody_listens_afterwards(api: Api) -> AsyncIterator[None]:
    """Where somebody does, each start of the tests to come is told on the bus as well."""
    yield
    while LISTENING:
        await api.http.delete(f"api/triggers/{LISTENING.pop()}")


async def ran(api: Api, workflow: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The ended executions of a workflow, oldest first, once there are so many."""

    async def look() -> list[dict[str, Any]] | None:
        found = (await api.get(f"api/executions?workflow_id={workflow['id']}"))["items"]
        ended = [each["id"] for each in found if each["completed_at"]]
        return [await api.get(f"api/executions/{each}") for each in sorted(ended)] if len(ended) >= count else None

    found: list[dict[str, Any]] = await until(look, 90)
    return found


async def test_an_event_fires_a_workflow_whose_end_chains_another(api: Api, deployment: Deployment):
    source = f"shop-{new_id()}"
    pattern = {"source": [source], "detail": {"total": [{"numeric": [">", 100]}]}}
    first = await listener(api, "orders", pattern, "{% $input.detail.order %}")
    ends = {"source": ["millrace.executions"], "detail": {"workflow_id": [first["id"]], "status": ["succeeded"]}}
    second = await listener(api, "invoices", ends, "{% 'invoice of ' & $input.detail.output %}")
    large = {"source": source, "detail-type": "order", "detail": {"order": "A-1", "total": 120}, "resources": ["r:1"]}
    small = {"source": source, "detail-type": "order", "detail": {"order": "A-2", "total": 80}}

    published = await api.http.post("api/events", json=[large | {"id": "o-1"}, large | {"id": "o-1"}, small])
    assert (published.status_code, published.json()["failed_entry_count"]) == (202, 0), published.text
    deployment.client("events").put_events(
        Entries=[  # another system, which knows nothing of Millrace
            {
                "EventBusName": PREFIX,
                "Source": source,
                "DetailType": "order",
                "Detail": json.dumps({"order": "B-1", "total": 999}),
            }
        ]
    )

    orders, invoices = await ran(api, first, 2), await ran(api, second, 2)
    assert sorted(each["output"] for each in orders) == ["A-1", "B-1"], "the repeated and the small one start nothing"
    assert sorted(each["output"] for each in invoices) == ["invoice of A-1", "invoice of B-1"]
    (mine,) = [each for each in orders if each["output"] == "A-1"]
    assert (mine["input"]["id"], mine["input"]["resources"]) == ("o-1", ["r:1"]), "as it was published"
    ended = next(each["input"]["detail"] for each in invoices if each["output"] == "invoice of A-1")
    assert (ended["execution_id"], ended["workflow"]) == (mine["id"], "orders")


async def test_how_executions_fail_is_told_to_whoever_listens_on_the_bus(api: Api, deployment: Deployment):
    sqs, events = deployment.client("sqs"), deployment.client("events")
    name = f"outsider-{new_id()}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    node = {"id": "a", "type": "transform", "config": {"output": "{% $number('no number') %}"}}
    made = await api.active({"name": "failing", "nodes": [node], "edges": [], "output": "{% $a %}"})
    pattern = {"detail-type": ["execution.failed"], "detail": {"workflow_id": [made["id"]]}}
    events.put_rule(Name=name, EventBusName=PREFIX, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, EventBusName=PREFIX, Targets=[{"Id": "queue", "Arn": arn}])

    execution_id = await api.start(made, {})

    async def heard() -> list[dict[str, Any]] | None:
        return sqs.receive_message(QueueUrl=url).get("Messages")

    (message,) = await until(heard)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail"]["execution_id"]) == ("millrace.executions", execution_id)
    assert event["detail"]["error"]["name"]
    assert f"millrace:project:{made['project_id']}" in event["resources"]
