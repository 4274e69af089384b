"""What Lambdas stand on in tests, and the events that they are sent."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg

from shared.executions.records import ExecutionStatus
from shared.settings import DEFAULT_PROJECT_ID as PROJECT
from shared.triggers.records import Trigger, TriggerType
from tests.support.lambda_process import ACCOUNT, REGION, ROOT, Lambdas
from tests.support.stores import Stores, now

WORKFLOW = "01a20aa4-93d3-70c1-9a97-cb0fcef4a4be"
PREFIX = "millrace-dev"
QUEUES = ("starts-normal", "wakes", "watches", "housekeeping", "published")
BUCKET = f"{PREFIX}-blobs"
SECRET = "It's a Secret to Everybody"
DOMAIN = "flows.example.org"


def url_of(queue: str) -> str:
    return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{PREFIX}-{queue}"


def sample(name: str, **replaced: str) -> Any:
    """A file of events/, with other texts in the place of some that only a test can know."""
    text = (ROOT / "events" / f"{name}.json").read_text()
    for old, new in replaced.items():
        assert PLACEHOLDERS[old] in text
        text = text.replace(PLACEHOLDERS[old], new)
    return json.loads(text)


PLACEHOLDERS = {
    "key": "mr_00000000000000000000000000000000",
    "service": "127.0.0.1:8099",
    "hour": "2026-11-23T09:00:00Z",
}


def environment(postgres_url: str, cluster_url: str, keys: str) -> dict[str, str]:
    """As the stack sets it."""
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{PREFIX}"
    return {
        "MILLRACE_STAGE": "aws",
        "DATABASE_URL": postgres_url,
        "REDIS_URL": cluster_url,
        "MILLRACE_CACHE_CLUSTERED": "true",
        "MILLRACE_ENCRYPTION_KEYS": keys,
        "MILLRACE_BLOB_URL": f"s3://{BUCKET}",
        "MILLRACE_ALLOWED_HOSTS": "127.0.0.1",
        "MILLRACE_QUEUE_NORMAL": url_of("starts-normal"),
        "MILLRACE_WAKES_QUEUE_URL": url_of("wakes"),
        "MILLRACE_WATCHES_QUEUE_URL": url_of("watches"),
        "MILLRACE_QUEUE_HOUSEKEEPING": url_of("housekeeping"),
        "MILLRACE_EVENT_BUS": PREFIX,
        "MILLRACE_MACHINE_PREFIX": PREFIX,
        "MILLRACE_MACHINE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/machines",
        "MILLRACE_HTTP_FUNCTION_ARN": f"{function}-http",
        "MILLRACE_TOOL_FUNCTION_ARN": f"{function}-tool",
    }


@dataclass(frozen=True)
class World:
    """The Lambdas and what they stand on, a service on loopback, and the owner's key."""

    lambdas: Lambdas
    stores: Stores
    service: str
    told: list[Any]
    """What the service was sent."""
    key: str
    environment: dict[str, str]

    async def messages(self, queue: str) -> list[Any]:
        """What waits in a queue; it is taken out."""
        found: list[Any] = []
        while batch := (await self.lambdas.aws("sqs", "receive_message", QueueUrl=url_of(queue))).get("Messages"):
            for each in batch:
                found.append(json.loads(each["Body"]))
                await self.lambdas.aws(
                    "sqs", "delete_message", QueueUrl=url_of(queue), ReceiptHandle=each["ReceiptHandle"]
                )
        return found

    async def started_by(self, trigger_id: str) -> Any:
        """The one execution that a trigger has started: its row, which waits, and its request in the queue."""
        listed = await self.stores.executions.list(PROJECT, workflow_id=WORKFLOW, status=ExecutionStatus.QUEUED)
        (row,) = [each for each in listed.items if each.trigger_id == trigger_id]
        (request,) = [each for each in await self.messages("starts-normal") if each["trigger_id"] == trigger_id]
        assert request["execution_id"] == row.id
        return request


def empty_database(url: str) -> str:
    """The URL of another database of the same server, in which there is nothing."""
    parts = urlsplit(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty TEMPLATE template0")
    return parts._replace(path="/empty").geturl()


async def trigger(world: World, event: Any, kind: TriggerType, config: dict[str, Any]) -> None:
    """The trigger that a sample names."""
    await world.stores.triggers.create(
        Trigger(said(event)["trigger_id"], PROJECT, WORKFLOW, kind, config, True, now(), now()), None
    )


def said(event: Any) -> Any:
    return json.loads(event["Records"][0]["body"])


async def trigger_by_api(world: World, body: dict[str, Any]) -> Any:
    return await called(world, "POST", f"/live/api/workflows/{WORKFLOW}/triggers", body=body)


async def called(world: World, method: str, path: str, *, body: Any = None, key: str | None = None) -> Any:
    """What the API answers at a path of the stage."""
    event = at(sample("api-create-webhook", key=key or world.key), f"https://70ixmpl4fl{path}") | {
        "httpMethod": method,
        "body": None if body is None else json.dumps(body),
    }
    answer = await world.lambdas.invoke("api", event)
    assert answer["statusCode"] < 300, answer
    return json.loads(answer["body"])


def at(event: dict[str, Any], url: str) -> dict[str, Any]:
    """The event of a request to a URL, as API Gateway makes it: it takes the stage from the path."""
    called = urlsplit(url).path
    context = event["requestContext"] | {"path": called}
    return event | {"path": called.removeprefix("/live"), "requestContext": context}


def through(event: dict[str, Any], domain: str | None) -> dict[str, Any]:
    """The event of a request that comes through a domain name, which is mapped to the stage."""
    if domain is None:
        return event
    headers = {**event["headers"], "Host": domain}
    context = event["requestContext"] | {"domainName": domain, "domainPrefix": "flows", "path": event["path"]}
    values = {name: [value] for name, value in headers.items()}
    return event | {"headers": headers, "multiValueHeaders": values, "requestContext": context}
