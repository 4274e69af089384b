"""Publishing through the API and boto3, with a Step Functions on loopback that throttles as AWS's does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from redis.asyncio import Redis

from local.cli.definitions import deploy
from local.cli.failures import ExitCode, Failed
from local.cli.session import Session
from local.web import bind, serving, url_of
from shared.adapters.aws import turns
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.publishing import StepFunctionsPublisher
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.redis import publish_queue
from shared.adapters.redis.publish_queue import RedisPublishQueue
from shared.errors import PublishingBusy
from shared.ids import new_id
from tests.functions.conftest import Doors, assert_problem, definition
from tests.support.step_functions import StepFunctions, asked_by_boto3

ROLE = "arn:aws:iam::123456789012:role/machines"
ASL = {"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}}


@pytest.fixture
async def aws(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StepFunctions]:
    """Throttles a little later than the queue expects, as AWS does."""
    async with asked_by_boto3(monkeypatch, 12, 40) as server:
        yield server


@pytest.fixture
async def made(aws, redis_url, monkeypatch) -> AsyncIterator[Callable[..., StepFunctionsPublisher]]:
    """Makes publishers that share a queue, which no other test knows."""
    monkeypatch.setattr(publish_queue, "PREFIX", f"test:{{{new_id()}}}:")
    settings = AwsSettings(machine_prefix="m", machine_role_arn=ROLE)
    async with Redis.from_url(redis_url) as redis:

        def publisher(bucket: int = 10, per_second: float = 40) -> StepFunctionsPublisher:
            queue = RedisPublishQueue(redis, bucket=bucket, per_second=per_second)
            return StepFunctionsPublisher(Machines(settings), settings, queue)

        yield publisher


@pytest.fixture
async def published(doors: Doors, made) -> Doors:
    """The API, publishing one version a second after the first."""
    doors.api_app.state.deps = replace(doors.api_app.state.deps, publisher=made(bucket=1, per_second=1))
    return doors


async def test_many_publications_at_once_all_come_through(aws, made):
    publishers = [made() for _ in range(4)]

    await asyncio.gather(*(publishers[n % 4].publish(new_id(), 1, ASL, {}) for n in range(60)))

    assert len(aws.machines) == len(aws.aliases) == 60
    assert aws.told == {"CreateStateMachine": 60, "CreateStateMachineAlias": 60}


async def test_without_a_queue_they_would_not(aws, made, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.1)
    publisher = made(bucket=1_000_000, per_second=1_000_000)

    results = await asyncio.gather(
        *(publisher.publish(new_id(), 1, ASL, {}) for _ in range(60)), return_exceptions=True
    )

    assert aws.throttled > 0
    assert any(isinstance(each, PublishingBusy) for each in results)


async def test_what_is_throttled_all_the_same_waits_and_comes_through(aws, made):
    greedy = made(bucket=100)  # as if others of the account had called too

    await asyncio.gather(*(greedy.publish(new_id(), 1, ASL, {}) for _ in range(30)))

    assert aws.throttled > 0
    assert len(aws.aliases) == 30


async def test_throttling_without_end_is_told_in_time(aws, made, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.3)
    aws.bucket = 0

    with pytest.raises(PublishingBusy):
        await made().publish(new_id(), 1, ASL, {})


async def test_what_was_published_half_way_is_published_by_the_next_try(aws, made):
    workflow_id = new_id()
    arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:m-{workflow_id}"
    await made().publish(workflow_id, 1, ASL, {})
    aws.aliases.clear()

    await made().publish(workflow_id, 1, ASL | {"Comment": "now otherwise"}, {})
    await made().publish(workflow_id, 2, ASL, {})
    aws.machines[arn]["version"] = 9
    await made().publish(workflow_id, 2, ASL | {"Comment": "again"}, {})

    assert aws.aliases == {f"{arn}:v1": f"{arn}:2", f"{arn}:v2": f"{arn}:10"}


async def test_a_second_version_of_a_machine_that_was_never_made(aws, made):
    workflow_id = new_id()

    await made().publish(workflow_id, 2, ASL, {})

    assert [arn.rpartition(":")[2] for arn in aws.aliases] == ["v2"]


async def test_the_same_once_more_costs_no_call(aws, made):
    workflow_id = new_id()

    for _ in range(3):
        await made().publish(workflow_id, 1, ASL, {})

    assert aws.told == {"CreateStateMachine": 1, "CreateStateMachineAlias": 1}


async def test_a_refused_workflow_is_not_stored_and_the_answer_says_when_to_come_back(published, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.2)
    (await published.api.post("/api/workflows", json=definition("first"))).raise_for_status()

    refused = await published.api.post("/api/workflows", json=definition("second"))

    problem = assert_problem(refused, 429, "publishing.busy")
    assert refused.headers["retry-after"] == "1"
    assert problem["details"] == {"retry_after_seconds": 1}
    names = [each["name"] for each in (await published.api.get("/api/workflows")).json()["items"]]
    assert names == ["first"]


async def test_an_express_version_is_stored_only_when_both_its_machines_have_a_turn(published, aws, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.2)
    document = definition("short", settings={"mode": "express"})
    assert_problem(await published.api.post("/api/workflows", json=document), 429, "publishing.busy")
    assert (await published.api.get("/api/workflows")).json()["items"] == []
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 5)

    (await published.api.post("/api/workflows", json=document)).raise_for_status()

    assert sorted(arn.endswith("-express:v1") for arn in aws.aliases) == [False, True]


async def test_the_command_line_waits_for_its_turn(published, aws, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.2)
    files = [_written(tmp_path, f"w{n}") for n in range(3)]
    listener = bind("127.0.0.1", 0)
    monkeypatch.setenv("MILLRACE_API_KEY", published.api.headers["authorization"].removeprefix("Bearer "))

    async with serving(published.api_app, listener):
        session = Session(url_of(listener))
        codes = await asyncio.gather(
            *(deploy(session, each, draft=False, webhook=False, verify="none") for each in files)
        )

    assert codes == [ExitCode.OK] * 3
    assert "Trying again in" in capsys.readouterr().err
    assert len(aws.aliases) == 3
    found = (await published.api.get("/api/workflows")).json()["items"]
    assert {each["name"]: each["status"] for each in found} == {f"w{n}": "active" for n in range(3)}


async def test_the_command_line_does_not_wait_for_ever(published, monkeypatch, tmp_path):
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("local.cli.patience.PATIENCE_SECONDS", 0)
    (await published.api.post("/api/workflows", json=definition("first"))).raise_for_status()
    listener = bind("127.0.0.1", 0)
    monkeypatch.setenv("MILLRACE_API_KEY", published.api.headers["authorization"].removeprefix("Bearer "))

    async with serving(published.api_app, listener):
        with pytest.raises(Failed, match=r"Try again in 1 s.*\(publishing\.busy\)"):
            await deploy(Session(url_of(listener)), _written(tmp_path, "w"), draft=False, webhook=False, verify="none")


def _written(folder: Path, name: str) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(definition(name)))
    return file
