"""Durable executions whose end nobody told: who is looked at and how fast, and what a look finds."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from functions.complete.core import CompleteDeps
from functions.complete.watched import look
from functions.housekeeping import ends
from functions.housekeeping.ends import PER_SECOND, RUNNING_FOR, EndsDeps, look_for_ends
from shared.adapters.aws import client as clients
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.rounds import SqsRounds
from shared.adapters.aws.settings import AwsSettings
from shared.adapters.aws.watches import LATER_SECONDS, Watches
from shared.adapters.postgres.running import PostgresRunning
from shared.clock import SystemClock
from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, StartRequest, StatusChange, Watch, machine_input
from shared.ids import lowest_id, new_id
from shared.settings import DEFAULT_PROJECT_ID as PROJECT
from tests.support.stores import KeptBus, KeptWatches, Stores, Woken, new_request, new_workflow

NOW = SystemClock().now()
LONG_AGO = NOW - RUNNING_FOR - timedelta(minutes=1)


async def begun(stores: Stores, at: Any = LONG_AGO, mode: str = "durable") -> StartRequest:
    """An execution that runs since then."""
    workflow, version = new_workflow(definition={"settings": {"mode": mode}})
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)
    await stores.queue.submit(request)
    await stores.journal.write(request.execution_id, PROJECT, (), StatusChange(ExecutionStatus.RUNNING, at))
    return request


def watch_of(request: StartRequest) -> Watch:
    return Watch(PROJECT, request.workflow_id, request.execution_id)


@dataclass
class Spread:
    """Keeps who is to be looked at, how fast, and what is to be gone on with."""

    asked: list[Watch] = field(default_factory=list)
    rounds: list[tuple[str, int]] = field(default_factory=list)

    async def spread(self, watches: Any, per_second: int) -> None:
        assert per_second == PER_SECOND
        self.asked += watches

    async def go_on(self, after: str, seconds: int) -> None:
        self.rounds.append((after, seconds))


async def test_durable_executions_that_have_run_for_long_are_looked_at_a_page_after_another(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ends, "PAGE", 2)
    first = lowest_id(SystemClock().now())
    old = [await begun(stores) for _ in range(3)]
    await begun(stores, NOW)
    await begun(stores, mode="express")
    ended = await begun(stores)
    await stores.journal.write(
        ended.execution_id, PROJECT, (), StatusChange(ExecutionStatus.SUCCEEDED, NOW, result=None)
    )
    kept = Spread()
    deps = EndsDeps(PostgresRunning(stores.engine), kept, kept, SystemClock())

    await look_for_ends(first, deps)
    assert kept.rounds == [(old[1].execution_id, 2 // PER_SECOND)]
    await look_for_ends(kept.rounds[0][0], deps)

    assert kept.asked == [watch_of(each) for each in old]
    assert len(kept.rounds) == 1, "the last page is not full"


@dataclass
class Known:
    """What Step Functions knows of executions."""

    found: dict[str, Any] = field(default_factory=dict)

    async def find(self, workflow_id: str, execution_id: str) -> dict[str, Any] | None:
        known: dict[str, Any] | None = self.found.get(execution_id)
        return known


def deps_of(stores: Stores, known: Known, bus: KeptBus) -> CompleteDeps:
    rows = (stores.journal, stores.queue, stores.progress, stores.express)
    return CompleteDeps(known, *rows, KeptWatches(), bus, Woken(), SystemClock())


def described(request: StartRequest, **more: Any) -> dict[str, Any]:
    given = orjson.dumps(machine_input(request, "w")).decode()
    base = {"status": "SUCCEEDED", "input": given, "output": "7", "startDate": LONG_AGO, "stopDate": NOW}
    return base | more


async def test_a_lost_end_is_recorded_and_told_when_it_is_looked_at(stores: Stores):
    bus, request = KeptBus(), await begun(stores)
    deps = deps_of(stores, Known({request.execution_id: described(request)}), bus)

    ended = await look(watch_of(request), deps)
    again = await look(watch_of(request), deps)

    assert (ended.status, again) == (ExecutionStatus.SUCCEEDED, None)
    row = await stores.executions.get(PROJECT, request.execution_id)
    assert (row.status, row.result) == (ExecutionStatus.SUCCEEDED, 7)
    assert [each.document["detail-type"] for each in bus.published] == ["execution.succeeded"]


async def test_a_lost_end_gives_a_place_back(stores: Stores):
    workflow, version = new_workflow()
    limited = replace(version, definition=version.definition | {"settings": {"max_concurrency": 1}})
    await stores.workflows.create(workflow, limited)
    request, waits = new_request(workflow), new_request(workflow)
    for each in (request, waits):
        await stores.queue.submit(each)
    await stores.admission.admit()
    await stores.journal.write(request.execution_id, PROJECT, (), StatusChange(ExecutionStatus.RUNNING, LONG_AGO))
    deps = deps_of(stores, Known({request.execution_id: described(request)}), KeptBus())

    await look(watch_of(request), deps)

    assert deps.wakes.times == [None]
    await stores.admission.admit()
    assert (await stores.progress.standing(PROJECT, workflow.id, waits.execution_id)).may_begin


async def test_what_runs_on_is_left_alone(stores: Stores):
    bus, request = KeptBus(), await begun(stores)
    found = described(request, status="RUNNING", stopDate=None, output=None)

    assert await look(watch_of(request), deps_of(stores, Known({request.execution_id: found}), bus)) is None

    row = await stores.executions.get(PROJECT, request.execution_id)
    assert (row.status, bus.published) == (ExecutionStatus.RUNNING, [])


async def test_what_step_functions_does_not_know_does_not_run_for_ever(stores: Stores):
    bus, request = KeptBus(), await begun(stores)

    ended = await look(watch_of(request), deps_of(stores, Known(), bus))

    row = await stores.executions.get(PROJECT, request.execution_id)
    assert (ended.status, row.error["name"]) == (ExecutionStatus.FAILED, "Millrace.ExecutionUnknown")
    assert [each.document["detail-type"] for each in bus.published] == ["execution.failed"]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients.client.cache_clear()
    with mock_aws():
        yield
    clients.client.cache_clear()


async def test_watches_are_spread_over_time_in_batches(aws: None):
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="watches")["QueueUrl"]
    watches = [Watch("p", "w", str(number)) for number in range(25)]

    await Watches(url).spread(watches, 5)

    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [Watch(**orjson.loads(each["Body"])["watch"]) for each in taken] == watches[:10]
    waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert waiting["ApproximateNumberOfMessagesDelayed"] == "15"


async def test_no_watch_is_held_back_longer_than_sqs_can(aws: None, monkeypatch: pytest.MonkeyPatch):
    delays: list[int] = []

    def kept(*, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - AWS's names
        delays.extend(entry["DelaySeconds"] for entry in Entries)
        return {"Successful": Entries}

    monkeypatch.setattr(clients.client("sqs"), "send_message_batch", kept)

    await Watches("url").spread([Watch("p", "w", "e")] * 5_000, 5)

    assert sorted(set(delays)) == list(range(0, LATER_SECONDS + 1, 2))
    assert all(delays.count(each) == 10 for each in range(0, LATER_SECONDS, 2))


async def test_a_watch_that_the_queue_refuses_is_no_watch(aws: None):
    url = boto3.client("sqs").create_queue(QueueName="watches", Attributes={"MaximumMessageSize": "1024"})["QueueUrl"]

    with pytest.raises(StoreUnavailable, match="queue of watches"):
        await Watches(url).spread([Watch("p", "w", "x" * 2_000)], 5)


async def test_a_round_goes_on_with_a_message_to_housekeeping(aws: None):
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="housekeeping")["QueueUrl"]

    await SqsRounds(url).go_on("e", 0)

    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert orjson.loads(message["Body"]) == {"work": "ends", "after": "e"}


async def test_step_functions_is_asked_by_the_name_of_the_execution(aws: None):
    role = "arn:aws:iam::123456789012:role/machines"
    machines, stepfunctions = (
        Machines(AwsSettings(machine_prefix="m", machine_role_arn=role)),
        boto3.client("stepfunctions"),
    )
    definition = '{"StartAt": "a", "States": {"a": {"Type": "Pass", "End": true}}}'
    workflow, execution = new_id(), new_id()
    machine = stepfunctions.create_state_machine(name=f"m-{workflow}", definition=definition, roleArn=role)
    stepfunctions.start_execution(stateMachineArn=machine["stateMachineArn"], name=execution, input="{}")

    found = await machines.find(workflow, execution)

    assert found is not None
    assert found["name"] == execution
    assert await machines.find(workflow, new_id()) is None
    with pytest.raises(ClientError):
        await machines.describe("nonsense")
