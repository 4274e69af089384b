"""The suites that ports' local adapters pass, passed by their twins on AWS."""
# ruff: noqa: F403 - whole suites are taken over, with another adapter in their fixtures

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.adapters.aws import blobs as module
from shared.adapters.aws import client as clients
from shared.adapters.aws.blobs import S3Blobs
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.starts import SqsStartQueue, decode
from shared.errors import StoreUnavailable
from shared.executions.records import Priority
from shared.ids import new_id
from shared.ports import BlobStore, StartQueue
from tests.contract.test_blob_store import *
from tests.contract.test_start_queue import *
from tests.localstack.emulator import REGION, Emulator
from tests.support.stores import Stores, new_request

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
    return S3Blobs(f"s3://{bucket}/blobs")


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
