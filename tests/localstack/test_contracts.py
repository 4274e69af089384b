"""The suites that ports' local adapters pass, passed by their twins on AWS.

Not here, since AWS has no adapter for them: Backlog, Journal and Signals (Step Functions does their work). Admission
and Completions stand on PostgreSQL there, too: tests/functions/test_admit.py, tests/contract/test_ends.py.
"""
# ruff: noqa: F403 - whole suites are taken over, with another adapter in their fixtures

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest

from shared.adapters.aws import blobs as module
from shared.adapters.aws import client as clients
from shared.adapters.aws import settings as found_settings
from shared.adapters.aws.blobs import S3Blobs
from shared.adapters.aws.completions import StepFunctionsCompletions
from shared.adapters.aws.events import EventBridgeBus
from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.lambdas import LambdaTasks
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.publishing import StepFunctionsPublisher
from shared.adapters.aws.schedules import Schedules
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.starts import SqsStartQueue, decode, send
from shared.adapters.aws.triggers import AwsTriggers
from shared.adapters.aws.wakes import look_at
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.redis.publish_queue import RedisPublishQueue
from shared.errors import StoreUnavailable
from shared.executions.records import FlowTicket, Priority, StartRequest
from shared.ids import new_id
from shared.ports import BlobStore, ExecutionStore, StartQueue, TaskCompletions, TaskRunner, TriggerStore
from shared.ports.events import EventBus
from tests.contract.test_blob_store import *
from tests.contract.test_event_bus import *
from tests.contract.test_event_bus import Seen
from tests.contract.test_execution_store import *
from tests.contract.test_execution_store import TYPES
from tests.contract.test_secret_box import *
from tests.contract.test_secret_box import Opened
from tests.contract.test_start_queue import *
from tests.contract.test_task_completions import *
from tests.contract.test_task_completions import Task
from tests.contract.test_task_runner import *
from tests.contract.test_trigger_store import *
from tests.localstack import twins
from tests.localstack.deployment import until
from tests.localstack.emulator import REGION, Emulator
from tests.support.stores import KeptBus, Stores, Woken, new_request, new_workflow

Aws = Callable[[str], Any]


@pytest.fixture(autouse=True)
def environment(localstack: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """That of a Lambda, from which adapters know whom to ask."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", localstack.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    clients.client.cache_clear()
    yield
    clients.client.cache_clear()
    found_settings.stage.cache_clear()


@pytest.fixture
def blobs(aws: Aws) -> BlobStore:
    bucket = f"blobs-{new_id()}"
    aws("s3").create_bucket(Bucket=bucket)
    return S3Blobs(f"s3://{bucket}/blobs")


@pytest.fixture
def urls(aws: Aws) -> dict[str, str]:
    """A queue of SQS for each priority."""
    return {priority.name.lower(): twins.queue(aws)[0] for priority in Priority}


@pytest.fixture
def queues(aws: Aws, urls: dict[str, str]) -> AwsSettings:
    wakes = aws("sqs").create_queue(QueueName=f"wakes-{new_id()}")["QueueUrl"]
    return AwsSettings(wakes_queue_url=wakes, **{f"queue_{priority}": url for priority, url in urls.items()})


@pytest.fixture
def queue(stores: Stores, queues: AwsSettings) -> StartQueue:
    return SqsStartQueue(stores.queue, queues)


@pytest.fixture
def published(aws: Aws) -> tuple[str, str]:
    """A bus of EventBridge, and the URL of the queue behind it."""
    return twins.bus_into_queue(aws)


@pytest.fixture
def bus(published: tuple[str, str]) -> EventBus:
    return EventBridgeBus(published[0])


@pytest.fixture
def seen(aws: Aws, published: tuple[str, str]) -> Seen:
    return partial(twins.events_of, aws, published[1])


@pytest.fixture
def completions() -> TaskCompletions:
    return StepFunctionsCompletions()


@pytest.fixture
async def task(aws: Aws) -> Task:
    return await twins.waiting_task(aws)


@pytest.fixture(scope="module")
def tool(aws: Aws) -> str:
    return twins.function(aws, twins.TOOL)


@pytest.fixture
def runner(tool: str) -> TaskRunner:
    return LambdaTasks(AwsSettings(tool_function_arn=tool))


@pytest.fixture(scope="module")
def settings(aws: Aws) -> AwsSettings:
    """Names of what triggers and machines are made of."""
    name = f"contracts-{new_id()}"
    aws("scheduler").create_schedule_group(Name=name)
    aws("logs").create_log_group(logGroupName=name)
    return AwsSettings(
        schedule_group=name,
        scheduler_role_arn=twins.ROLE,
        fires_queue_arn=twins.queue(aws)[1],
        machine_prefix=name[:20],
        machine_role_arn=twins.ROLE,
        machine_log_group_arn=f"arn:aws:logs:{REGION}:000000000000:log-group:{name}",
    )


@pytest.fixture
def store(stores: Stores, settings: AwsSettings) -> TriggerStore:
    return AwsTriggers(stores.triggers, Schedules(settings))  # type: ignore[return-value]  # passes on what it lacks


@pytest.fixture
def machines(settings: AwsSettings) -> Machines:
    return Machines(settings)


@pytest.fixture
def publisher(stores: Stores, machines: Machines, settings: AwsSettings) -> StepFunctionsPublisher:
    return StepFunctionsPublisher(machines, settings, RedisPublishQueue(stores.redis, bucket=1_000, per_second=1_000))


@pytest.fixture
def executions(stores: Stores, machines: Machines) -> ExecutionStore:
    return AwsExecutions(stores.executions, machines, stores.progress, KeptBus(), Woken())


@pytest.fixture
async def running(begun: StartRequest, machines: Machines, publisher: StepFunctionsPublisher) -> StartRequest:
    await publisher.publish(begun.workflow_id, 1, twins.RESTING, {})
    for _ in range(2):  # its id starts it once
        await machines.start(begun.workflow_id, 1, begun.execution_id, {"input": begun.input})

    async def look() -> bool:
        return len(await machines.history(begun.workflow_id, begun.execution_id)) == len(TYPES)

    await until(look, 20)
    return begun


@pytest.fixture
def opened(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Boxes whose keys are lines of a secret of Secrets Manager."""
    monkeypatch.delenv("MILLRACE_ENCRYPTION_KEYS", raising=False)

    def box(*names: str) -> FernetBox:
        lines = "\n".join(name * 20 for name in names)
        secret = aws("secretsmanager").create_secret(Name=f"sealing-{new_id()}", SecretString=lines)
        monkeypatch.setenv("MILLRACE_SEALING_SECRET", secret["ARN"])
        found_settings.stage.cache_clear()
        return FernetBox(found_settings.stage().settings.require_encryption_keys())

    return box


@pytest.mark.parametrize("priority", Priority)
async def test_a_taken_request_is_a_message_on_the_queue_of_its_priority(aws: Aws, urls, queue, workflow, priority):
    request = new_request(workflow, input={"text": "naïve 🙂 \0"}, priority=priority, idempotency_key="k")

    for _ in range(2):
        await queue.submit(request)

    found = {each: aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10) for each, url in urls.items()}
    sent = {each: [decode(one["Body"]) for one in answer.get("Messages", ())] for each, answer in found.items()}
    assert sent == {each: [request] * 2 if each == priority.name.lower() else [] for each in urls}


async def test_a_blob_is_an_object_under_its_key_behind_the_prefix(aws: Aws):
    bucket = f"blobs-{new_id()}"
    aws("s3").create_bucket(Bucket=bucket)

    for url, key in ((f"s3://{bucket}", "p/e/1"), (f"s3://{bucket}/blobs/", "blobs/p/e/1")):
        await S3Blobs(url).put("p/e/1", url.encode())
        assert aws("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == url.encode()


async def test_more_than_a_page_of_blobs_is_listed_and_deleted(aws: Aws, blobs: S3Blobs, monkeypatch):
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    for number in range(5):
        await blobs.put(f"p/e/{number}", b"1")

    assert [each.key for each in await blobs.list("p/e", 3)] == ["p/e/0", "p/e/1", "p/e/2"]
    await blobs.delete("p/e")
    assert await blobs.list("p", 10) == []


async def test_a_bucket_that_is_not_there_says_so():
    nowhere = S3Blobs(f"s3://none-{new_id()}")

    for asked in (nowhere.put("a", b"1"), nowhere.get("a"), nowhere.list("a", 1), nowhere.delete("a")):
        with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
            await asked


async def test_what_limits_may_hold_up_wakes_admit(aws: Aws, stores: Stores, queues: AwsSettings, queue, workflow):
    limited, version = new_workflow()
    definition = version.definition | {"settings": {"max_concurrency": 1}}
    await stores.workflows.create(limited, replace(version, definition=definition))
    ticket = new_request(workflow, flow=FlowTicket("ada", {"concurrency": {"limit": 1}}, 18))

    await queue.submit(new_request(limited))
    await send(ticket, queues)

    found = aws("sqs").receive_message(QueueUrl=queues.wakes_queue_url, MaxNumberOfMessages=10)["Messages"]
    bodies = [each["Body"] for each in found]
    assert [decode(each) for each in bodies if not look_at(each)[0]] == [ticket]
    assert [look_at(each) for each in bodies if look_at(each)[0]] == [(True, None)]


async def test_a_cancelled_execution_stops(executions, running, machines, aws: Aws):
    await executions.request_cancel(running.project_id, running.execution_id, running.created_at)

    async def aborted() -> bool:  # a history tells a little later
        return (await machines.history(running.workflow_id, running.execution_id))[-1].type == "ExecutionAborted"

    await until(aborted, 20)


async def test_each_version_of_a_workflow_stays_startable(publisher, machines, workflow, aws: Aws):
    def passing(output: int) -> dict[str, Any]:
        state = {"Type": "Pass", "Output": output, "End": True}
        return {"QueryLanguage": "JSONata", "StartAt": "a", "States": {"a": state}}

    ids = [new_id(), new_id()]
    for version in (1, 2, 2):
        await publisher.publish(workflow.id, version, passing(version), {})
    for version, execution_id in enumerate(ids, 1):
        await machines.start(workflow.id, version, execution_id, {})

    arns = [f"{machines.arn_of(workflow.id).replace(':stateMachine:', ':execution:')}:{each}" for each in ids]
    outputs = await asyncio.gather(*(until(partial(_output, machines, arn), 20) for arn in arns))
    assert outputs == ["1", "2"]


async def _output(machines: Machines, arn: str) -> str | None:
    return (await machines.describe(arn)).get("output")


def test_the_databases_urls_come_from_its_secret(aws: Aws, monkeypatch: pytest.MonkeyPatch):
    fields = {"username": "millrace", "password": "p@ss/word", "port": 5433, "dbname": "millrace"}
    secret = aws("secretsmanager").create_secret(Name=f"db-{new_id()}", SecretString=orjson.dumps(fields).decode())
    monkeypatch.setenv("MILLRACE_DATABASE_SECRET", secret["ARN"])
    monkeypatch.setenv("MILLRACE_DATABASE_HOST", "writer")
    monkeypatch.setenv("MILLRACE_DATABASE_READER_HOST", "reader")
    found_settings.stage.cache_clear()

    found = found_settings.stage()

    expected = "postgresql://millrace:p%40ss%2Fword@{}:{}/millrace?sslmode=require"
    assert found.settings.require_database_url() == expected.format("writer", 5433)
    assert found.reader_url is not None
    assert found.reader_url.get_secret_value() == expected.format("reader", 5433)

    monkeypatch.setenv("MILLRACE_DATABASE_PORT", "5432")  # a proxy stands before it
    found_settings.stage.cache_clear()

    assert found_settings.stage().settings.require_database_url() == expected.format("writer", 5432)
