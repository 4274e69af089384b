"""Every Lambda, invoked by its handler with a file of events/ over real stores: what it answers, and what it leaves."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from cryptography.fernet import Fernet

from local.access import access_of
from shared.adapters.postgres.engine import create_engine
from shared.approvals.records import ApprovalStatus, Decision
from shared.bulk.records import BulkRun
from shared.clock import SystemClock
from shared.executions.records import ExecutionStatus, Priority, StatusChange
from shared.identity.owner import new_owner_key
from shared.ids import lowest_id
from shared.triggers.events.records import event_of
from shared.triggers.records import TriggerType
from tests.support.lambda_process import ACCOUNT, HANDLERS, REGION, lambda_process
from tests.support.lambda_world import (
    BUCKET,
    DOMAIN,
    PREFIX,
    PROJECT,
    QUEUES,
    SECRET,
    WORKFLOW,
    World,
    at,
    called,
    empty_database,
    environment,
    said,
    sample,
    through,
    trigger,
    trigger_by_api,
    url_of,
)
from tests.support.stores import new_request, new_workflow, now, open_stores


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[tuple[str, list[Any]]]:
    """A service on loopback: its address, and what it was sent."""
    told: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        told.append(await request.json() if request.can_read_body else None)
        return web.json_response([{"id": "A-7"}])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}", told
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
async def world(
    postgres_url: str,
    redis_url: str,
    cluster_url: str,
    service: tuple[str, list[Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    keys, folder = Fernet.generate_key().decode(), tmp_path_factory.mktemp("blobs")
    stores = open_stores(postgres_url, redis_url, keys, folder)
    key = await new_owner_key(stores.access.keys, stores.access.members, SystemClock(), "samples")
    await stores.workflows.create(*new_workflow(id=WORKFLOW, name="sampled"))
    given = environment(postgres_url, cluster_url, keys)
    with lambda_process(given) as lambdas:
        for queue in QUEUES:
            await lambdas.aws("sqs", "create_queue", QueueName=f"{PREFIX}-{queue}")
        await lambdas.aws(
            "s3", "create_bucket", Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        await lambdas.aws("events", "create_event_bus", Name=PREFIX)
        rule = {"EventBusName": PREFIX, "Rule": "every"}
        pattern = json.dumps({"source": [{"prefix": ""}]})
        await lambdas.aws("events", "put_rule", EventBusName=PREFIX, Name="every", EventPattern=pattern)
        target = {"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{PREFIX}-published"}
        await lambdas.aws("events", "put_targets", **rule, Targets=[target])
        yield World(lambdas, stores, *service, key, given)
    await stores.close()


async def api(world: World) -> None:
    answer = await world.lambdas.invoke("api", sample("api-create-webhook", key=world.key))

    assert answer["statusCode"] == 201, answer
    made = json.loads(answer["body"])
    listed = await called(world, "GET", "/live/api/webhooks")
    assert made["webhook"]["url"] in [each["url"] for each in listed["items"]]


async def webhook(world: World) -> None:
    config = {"path": "orders-of-the-shop", "verification": {"scheme": "github"}}
    made = await trigger_by_api(world, {"type": "webhook", "config": config, "secret": SECRET})

    answers = [await world.lambdas.invoke("webhook", sample("webhook-delivery")) for _ in range(2)]

    assert [each["statusCode"] for each in answers] == [202, 202], answers
    first, second = (json.loads(each["body"]) for each in answers)
    assert (first["execution_id"], second["duplicate"]) == (second["execution_id"], True)
    requests = await world.messages("starts-normal")
    assert {each["execution_id"] for each in requests} == {first["execution_id"]}
    assert requests[0]["input"]["body"] == {"order": "A-7", "total": 120}
    assert requests[0]["trigger_id"] == made["id"]


async def dispatch(world: World) -> None:
    machine = f"{PREFIX}-{WORKFLOW}:v1"
    await world.lambdas.started(machine, "", None)

    answer = await world.lambdas.invoke("dispatch", sample("start-requests"))

    assert answer == {"batchItemFailures": []}
    for number in (2, 3):
        row = await world.stores.executions.get(PROJECT, f"01a20aa5-0000-7000-8000-00000000000{number}")
        assert row is not None
        assert (row.status, row.input) == (ExecutionStatus.RUNNING, {"n": number - 1})
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{PREFIX}-{WORKFLOW}:{row.id}"
        described = await world.lambdas.aws("stepfunctions", "describe_execution", executionArn=arn)
        assert json.loads(described["input"])["execution"]["workflow"] == "sampled"


async def complete(world: World) -> None:
    """The events of an end that says all, of one whose payloads are not included, and of an item of a distributed Map:
    only the second of them is an execution that Step Functions can be asked about."""
    (workflow, _) = new_workflow(id=WORKFLOW)
    first, second = (f"01a20aa5-0000-7000-8000-00000000000{number}" for number in (1, 9))
    for execution_id in (first, second):
        await world.stores.queue.submit(new_request(workflow, execution_id=execution_id))
    given = {"input": {}, "execution": {"id": second, "project_id": PROJECT}}
    await world.lambdas.started(f"{PREFIX}-{WORKFLOW}", second, given, {"total": 8})

    answer = await world.lambdas.invoke("complete", sample("execution-ended"))

    assert answer == {"batchItemFailures": []}
    for execution_id, total in ((first, 7), (second, 8)):
        row = await world.stores.executions.get(PROJECT, execution_id)
        assert row is not None
        assert (row.status, row.result) == (ExecutionStatus.SUCCEEDED, {"total": total})
    published = await world.messages("published")
    assert {each["detail-type"] for each in published} == {"execution.succeeded"}
    assert {each["detail"]["execution_id"] for each in published} == {first, second}


async def admit(world: World) -> None:
    event = sample("wakes")
    request = json.loads(event["Records"][1]["body"])
    definition = {"settings": {"flow_control": request["flow"]["control"]}}
    await world.stores.workflows.create(*new_workflow(id=request["workflow_id"], name="limited", definition=definition))

    assert await world.lambdas.invoke("admit", event) == {"batchItemFailures": []}

    (handed,) = await world.messages("starts-normal")
    assert (handed["execution_id"], handed["input"]) == (request["execution_id"], request["input"])
    assert handed["flow"] is None, "it waited for nobody"


async def bulk(world: World) -> None:
    given = sample("bulk-step") | {"retry": False, "after": -1}
    run = BulkRun(given["id"], PROJECT, WORKFLOW, 1, 2, 0, 10, Priority.NORMAL, "c", now())
    await world.stores.bulk_runs.create(run)
    lines = b'{"n": 1}\n{"n": 2}\n'.decode()
    await world.lambdas.aws("s3", "put_object", Bucket=BUCKET, Key=run.inputs_key, Body=lines)

    answer = await world.lambdas.invoke("bulk", given)

    assert (answer["done"], answer["retry"]) == (True, False), answer
    handed = {each["execution_id"]: each["input"] for each in await world.messages("starts-normal")}
    assert handed == {run.item_id(index): {"n": index + 1} for index in range(2)}


async def event(world: World) -> None:
    made = await trigger_by_api(world, {"type": "event", "config": {"pattern": {"source": ["shop"]}}})

    assert await world.lambdas.invoke("event", sample("event-delivery")) == {"batchItemFailures": []}

    request = await world.started_by(made["id"])
    assert request["input"]["detail"] == {"order": 7, "total": 120}


async def schedule(world: World) -> None:
    event = sample("schedule-fire", hour=now().strftime("%Y-%m-%dT%H:00:00Z"))
    config = {"cron": "0 * * * *", "missed": {"policy": "run_all"}}
    await trigger(world, event, TriggerType.SCHEDULE, config)

    assert await world.lambdas.invoke("schedule", event) == {"batchItemFailures": []}

    await world.started_by(said(event)["trigger_id"])


async def poll(world: World) -> None:
    event = sample("poll")
    config = {
        "source": {"type": "http", "url": f"http://{world.service}/orders"},
        "detect": {"by": "hash"},
        "interval_seconds": 60,
        "first_poll": {"policy": "emit_all"},
    }
    await trigger(world, event, TriggerType.POLLING, config)
    await world.lambdas.answers({"output": {"status": 200, "headers": {}, "body": [{"id": "A-7"}]}, "meta": {}})

    assert await world.lambdas.invoke("poll", event) == {"batchItemFailures": []}

    await world.started_by(said(event)["trigger_id"])


async def agent(world: World) -> None:
    result = await world.lambdas.invoke("agent", sample("agent-call"))

    assert result["meta"]["model"] == "demo:triage"
    assert result["output"]


async def approval(world: World) -> None:
    given = sample("approval-call")

    result = await world.lambdas.invoke("approval", given)

    kept = await world.stores.approvals.get(PROJECT, result["output"]["approval_id"])
    assert kept is not None
    assert (kept.status, kept.title, kept.approvers) == (ApprovalStatus.PENDING, "Order of 120", ["ops@example.org"])
    assert world.stores.secrets.decrypt(kept.sealed_token) == given["task_token"]


async def http(world: World) -> None:
    result = await world.lambdas.invoke("http", sample("http-call", service=world.service))

    assert (result["output"]["body"], result["meta"]["status"]) == ([{"id": "A-7"}], 200)


async def tool(world: World) -> None:
    result = await world.lambdas.invoke("tool", sample("tool-call"))

    assert result["output"] == [{"order": "A-7", "total": "120"}]


async def housekeeping(world: World) -> None:
    stores, long_ago = world.stores, now() - timedelta(days=31)
    old = event_of({"source": "s", "detail-type": "d", "detail": {}}, project_id=PROJECT, now=long_ago)
    await stores.events.publish(replace(old, key=lowest_id(long_ago)))
    claimed = await stores.events.claim(now(), lease=timedelta(), limit=1)
    await stores.events.finish([each.event for each in claimed], [], now())  # no trigger has yet to see it
    asked = await world.lambdas.invoke("approval", sample("approval-call") | {"node": "other"})
    pending = await stores.approvals.get(PROJECT, asked["output"]["approval_id"])
    assert pending is not None
    await stores.approvals.decide(pending, Decision(approved=True, by="ada", at=now()))  # and then the process ended
    (workflow, _) = new_workflow(id=WORKFLOW)
    request = new_request(workflow)
    await stores.queue.submit(request)
    began = StatusChange(ExecutionStatus.RUNNING, now() - timedelta(hours=2))
    await stores.journal.write(request.execution_id, PROJECT, (), began)

    assert await world.lambdas.invoke("housekeeping", sample("housekeeping")) == {"batchItemFailures": []}

    assert request.execution_id in [each["watch"]["execution_id"] for each in await world.messages("watches")]
    assert await stores.approvals.undelivered(10) == []
    assert old.id not in [each.id for each in (await stores.archive.list(PROJECT, limit=200)).items]


async def migrate(world: World) -> None:
    empty = empty_database(world.environment["DATABASE_URL"])
    with lambda_process(world.environment | {"DATABASE_URL": empty}) as lambdas:
        answer = await lambdas.invoke("migrate", sample("schema-create", service=world.service))
        made = await lambdas.invoke("migrate", sample("owner-key"))

    assert answer is None
    assert (world.told[-1]["Status"], world.told[-1]["PhysicalResourceId"]) == ("SUCCESS", "millrace-schema")
    engine = create_engine(empty)
    identity = await access_of(engine, world.stores.secrets).valid_key(made["key"])
    await engine.dispose()
    assert identity.project_id == PROJECT


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    case.__name__: case
    for case in (
        admit, agent, api, approval, bulk, complete, dispatch, event,
        housekeeping, http, migrate, poll, schedule, tool, webhook,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HANDLERS))
async def test_a_lambda_does_its_work_for_its_sample_event(world: World, name: str):
    await CASES[name](world)


async def test_a_batch_with_a_message_that_says_nothing_fails_for_that_one_alone(world: World):
    event = sample("housekeeping")
    event["Records"][0]["body"] = '{"work": "nightly"}'

    answer = await world.lambdas.invoke("housekeeping", event)

    failed = event["Records"][0]["messageId"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": failed}]}


@pytest.mark.parametrize("domain", [None, DOMAIN])
async def test_a_url_in_an_answer_can_be_called_as_it_is(world: World, domain: str | None):
    place = f"https://{domain}" if domain else f"https://70ixmpl4fl.execute-api.{REGION}.amazonaws.com/live"
    event = sample("api-create-webhook", key=world.key)
    path = f"hook-of-{domain or 'the-stage'}".replace(".", "-")
    event["body"] = json.dumps({"type": "webhook", "config": {"path": path, "verification": {"scheme": "none"}}})

    answer = await world.lambdas.invoke("api", through(event, domain))

    made = json.loads(answer["body"])
    assert made["webhook"]["url"] == f"{place}/webhooks/{path}"
    assert answer["headers"]["location"] == urlsplit(f"{place}/api/triggers/{made['id']}").path
    delivered = at(sample("webhook-delivery"), made["webhook"]["url"])
    assert (await world.lambdas.invoke("webhook", delivered))["statusCode"] == 202


async def test_live_progress_shows_what_there_is_and_says_when_to_come_back(world: World):
    request = new_request(new_workflow(id=WORKFLOW)[0])
    await world.stores.queue.submit(request)
    event = at(
        sample("api-create-webhook", key=world.key),
        f"https://70ixmpl4fl/live/api/executions/{request.execution_id}/events",
    )

    answer = await world.lambdas.invoke("api", event | {"httpMethod": "GET", "body": None})

    assert answer["statusCode"] == 200, answer
    assert answer["headers"]["content-type"].startswith("text/event-stream")
    assert (answer["body"], answer["isBase64Encoded"]) == ("retry: 1000\n\n", False)


async def test_whoever_looks_after_decisions_is_asked_before_one_is_kept(world: World):
    asked = await world.lambdas.invoke("approval", sample("approval-call") | {"node": "decided"})
    path = f"/live/api/approvals/{asked['output']['approval_id']}/decide"
    queue = {"QueueUrl": url_of("housekeeping"), "AttributeNames": ["ApproximateNumberOfMessagesDelayed"]}

    decided = await called(world, "POST", path, body={"approved": True, "by": "ada", "form": {}})

    assert decided["status"] == "approved"
    found = await world.lambdas.aws("sqs", "get_queue_attributes", **queue)
    assert found["Attributes"] == {"ApproximateNumberOfMessagesDelayed": "1"}
    assert await world.stores.approvals.undelivered(10) == [], "it was told at once"


async def test_a_decision_for_an_execution_that_has_ended_is_refused(world: World):
    request = new_request(new_workflow(id=WORKFLOW)[0])
    await world.stores.queue.submit(request)
    given = sample("approval-call")
    given["execution"]["id"] = request.execution_id
    asked = await world.lambdas.invoke("approval", given)
    await world.stores.journal.write(request.execution_id, PROJECT, (), StatusChange(ExecutionStatus.CANCELLED, now()))
    path = f"/live/api/approvals/{asked['output']['approval_id']}/decide"

    with pytest.raises(AssertionError, match="Nobody waits for the decision any more"):
        await called(world, "POST", path, body={"approved": True, "by": "ada", "form": {}})


async def test_a_decision_that_nobody_would_look_after_is_not_kept(world: World):
    asked = await world.lambdas.invoke("approval", sample("approval-call") | {"node": "undecided"})
    path = f"/live/api/approvals/{asked['output']['approval_id']}/decide"

    with lambda_process(world.environment) as lambdas:  # another AWS, without the queue
        elsewhere = replace(world, lambdas=lambdas)
        with pytest.raises(AssertionError, match="503"):
            await called(elsewhere, "POST", path, body={"approved": True, "by": "ada", "form": {}})

    kept = await world.stores.approvals.get(PROJECT, asked["output"]["approval_id"])
    assert kept is not None
    assert kept.status is ApprovalStatus.PENDING
