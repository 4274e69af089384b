"""The suites that ports' local adapters pass, passed by their twins on AWS."""
# ruff: noqa: F403 - whole suites are taken over, with another adapter in their fixtures

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from shared.adapters.aws import client as clients
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.starts import SqsStartQueue, decode, send
from shared.adapters.aws.wakes import look_at
from shared.adapters.blobs import ObjectBlobs
from shared.executions.records import FlowTicket, Priority
from shared.ids import new_id
from shared.ports import BlobStore, StartQueue
from tests.contract.test_blob_store import *
from tests.contract.test_start_queue import *
from tests.localstack.emulator import REGION, Emulator
from tests.support.stores import Stores, new_request, new_workflow

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


@pytest.fixture
def blobs(aws: Aws) -> BlobStore:
    bucket = f"blobs-{new_id()}"
    aws("s3").create_bucket(Bucket=bucket)
    return ObjectBlobs(f"s3://{bucket}/blobs")


@pytest.fixture
def urls(aws: Aws) -> dict[str, str]:
    """A queue of SQS for each priority."""
    names = {priority.name.lower(): f"{priority.name}-{new_id()}" for priority in Priority}
    return {priority: aws("sqs").create_queue(QueueName=name)["QueueUrl"] for priority, name in names.items()}


@pytest.fixture
def queues(aws: Aws, urls: dict[str, str]) -> AwsSettings:
    wakes = aws("sqs").create_queue(QueueName=f"wakes-{new_id()}")["QueueUrl"]
    return AwsSettings(wakes_queue_url=wakes, **{f"queue_{priority}": url for priority, url in urls.items()})


@pytest.fixture
def queue(stores: Stores, queues: AwsSettings) -> StartQueue:
    return SqsStartQueue(stores.queue, queues)


@pytest.mark.parametrize("priority", Priority)
async def test_a_taken_request_is_a_message_on_the_queue_of_its_priority(aws: Aws, urls, queue, workflow, priority):
    request = new_request(workflow, input={"text": "naïve 🙂 \0"}, priority=priority, idempotency_key="k")

    for _ in range(2):
        await queue.submit(request)

    found = {each: aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10) for each, url in urls.items()}
    sent = {each: [decode(one["Body"]) for one in answer.get("Messages", ())] for each, answer in found.items()}
    assert sent == {each: [request] * 2 if each == priority.name.lower() else [] for each in urls}


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


async def test_a_blob_is_an_object_under_its_key(aws: Aws, blobs: ObjectBlobs):
    await blobs.put("p/e/1", orjson.dumps({"n": 1}))

    assert await blobs.get("p/e/1") == b'{"n":1}'
    (found,) = await blobs.list("p/e", 10)
    assert (found.key, found.bytes) == ("p/e/1", 7)
