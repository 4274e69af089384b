"""What comes back through the deployed doors, and what is done where a door was shut in somebody's face."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from tests.localstack.deployment import PREFIX, Api, Deployment, until


def host_of(deployment: Deployment) -> str:
    """The name under which the emulator serves the API as API Gateway does: the stage is the first part of the path.
    Nobody may be there to resolve it, so that it goes into a header."""
    api_id = urlsplit(deployment.url).path.split("/")[3]
    return f"{api_id}.execute-api.localhost.localstack.cloud:{urlsplit(deployment.emulator.endpoint).port}"


async def post(deployment: Deployment, url: str, body: Any) -> httpx.Response:
    """The answer at a URL whose host is of the emulator's API Gateway."""
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {deployment.key}", "Host": parts.netloc}
    async with httpx.AsyncClient(timeout=35) as client:
        return await client.post(f"{deployment.emulator.endpoint}{parts.path}", json=body, headers=headers)


async def test_a_sender_calls_the_url_that_it_was_given_and_waits_for_the_output(api: Api, deployment: Deployment):
    node = {"id": "a", "type": "transform", "config": {"output": "{% $input.body.n * 2 %}"}}
    made = await api.active({"name": "waited-for", "nodes": [node], "edges": [], "output": {"twice": "{% $a %}"}})
    trigger = {"type": "webhook", "config": {"verification": {"scheme": "none"}, "respond": "finished"}}
    place = f"http://{host_of(deployment)}/live"

    created = await post(deployment, f"{place}/api/workflows/{made['id']}/triggers", trigger)
    assert created.status_code == 201, created.text
    url = created.json()["webhook"]["url"]
    answer, other = await asyncio.gather(*(post(deployment, url, {"n": n}) for n in (21, 4)))

    assert (urlsplit(url).netloc, urlsplit(url).path.split("/")[1]) == (host_of(deployment), "live")
    assert created.headers["location"] == f"/live/api/triggers/{created.json()['id']}"
    assert (answer.status_code, answer.json()) == (200, {"twice": 42}), answer.text
    assert (other.status_code, other.json()) == (200, {"twice": 8}), other.text
    ran = await api.get(f"api/executions/{answer.headers['x-execution-id']}")
    assert (ran["status"], ran["output"]) == ("succeeded", {"twice": 42})
    tried = await post(deployment, f"{url}/test", {"n": 3})
    assert (tried.status_code, tried.json().get("outcome")) == (200, "starts"), tried.text
    (sample,) = (await api.get(f"api/triggers/{created.json()['id']}/samples"))["items"]
    assert (sample["id"], sample["delivery"]["body"]) == (tried.json()["sample_id"], {"n": 3})


async def test_the_daily_round_tells_and_hears_what_nobody_else_did(
    api: Api, deployment: Deployment, empty_database: str
):
    decided, (ended, told) = await asyncio.gather(undelivered(api, empty_database), untold(api, empty_database))

    ask_daily(deployment)

    goes_on, found = await asyncio.gather(api.ended(decided), api.ended(ended))
    assert (goes_on["status"], goes_on["output"]["by"]) == ("succeeded", "ada")
    assert (found["status"], found["output"]) == ("succeeded", 2)
    assert found["completed_at"] == told["completed_at"], "when it ended, not when that was found out"


async def undelivered(api: Api, database: str) -> str:
    """An execution that a crash kept from being told of a decision on its approval."""
    ask = {"id": "a", "type": "approval", "config": {"title": "Refund?", "approvers": ["ada"]}}
    document = {"name": "undelivered", "nodes": [ask], "edges": [], "output": "{% $a %}"}
    execution_id = await api.start(await api.active(document), {})

    async def pending() -> Any:
        return (await api.get(f"api/approvals?execution_id={execution_id}"))["items"]

    (approval,) = await until(pending)
    decided = """
        UPDATE approvals SET status = 'approved', approved = true, decided_by = 'ada', decided_at = now(), comment = ''
        WHERE id = %s
    """
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(decided, [approval["id"]])
    return execution_id


async def untold(api: Api, database: str) -> tuple[str, dict[str, Any]]:
    """An execution that has run for an hour by its row, since nobody told of its end; and how it ended."""
    node = {"id": "a", "type": "transform", "config": {"output": "{% $input.n + 1 %}"}}
    made = await api.active({"name": "untold", "nodes": [node], "edges": [], "output": "{% $a %}"})
    execution_id = await api.start(made, {"n": 1})
    told = await api.ended(execution_id)
    runs = """
        UPDATE workflow_executions SET status = 'running', completed_at = NULL, result = NULL,
            started_at = started_at - interval '61 minutes'
        WHERE id = %s
    """
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(runs, [execution_id])
    assert (await api.get(f"api/executions/{execution_id}"))["status"] == "running"
    return execution_id, told


def ask_daily(deployment: Deployment) -> None:
    """Sends what the rule of every day sends, to where it sends it."""
    events, sqs = deployment.client("events"), deployment.client("sqs")
    (rule,) = [each for each in events.list_rules()["Rules"] if each.get("ScheduleExpression") == "cron(17 3 * * ? *)"]
    targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert {each["Arn"].rpartition(":")[2] for each in targets} == {f"{PREFIX}-housekeeping"}
    queue = sqs.get_queue_url(QueueName=f"{PREFIX}-housekeeping")["QueueUrl"]
    for target in targets:
        sqs.send_message(QueueUrl=queue, MessageBody=target["Input"])
