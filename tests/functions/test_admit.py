"""Limits where nobody looks by himself: dispatch, admit and complete over the real database, in a cloud that kills."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from functions.admit import handler as module
from shared.adapters.aws import starts
from shared.clock import ManualClock
from shared.errors import StoreUnavailable
from shared.executions.records import Accepted, ExecutionStatus
from shared.executions.start import Origin, Startable, start
from shared.ports import StartQueue
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.dead_letters import Stage
from shared.workflow.records import Workflow
from tests.support.cloud import SETTINGS, Cloud, connect
from tests.support.stores import Stores, new_request, new_workflow

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "wakes.json").read_bytes())


class Ingest(StartQueue):
    """As the webhook receiver: only a message."""

    async def submit(self, request: Any) -> Accepted:
        await starts.send(request, SETTINGS)
        return Accepted(request.execution_id)


@pytest.fixture
async def cloud(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Any:
    async def made(seed: int = 0, kill_at: Any = lambda step: False) -> Cloud:
        async with stores.engine.begin() as connection:
            tables = "workflows, workflow_executions, flow_entries, flow_arrivals, dead_letters"
            await connection.execute(text(f"TRUNCATE {tables} CASCADE"))
            await connection.execute(text("UPDATE projects SET max_concurrency = NULL"))
        clock = ManualClock(datetime(2026, 11, 30, 9, tzinfo=UTC))
        return connect(Cloud(stores, clock, seed=seed, kill_at=kill_at), monkeypatch)

    return made


async def stored(stores: Stores, **settings: Any) -> Workflow:
    workflow, version = new_workflow()
    definition = {**version.definition, "settings": settings}
    await stores.workflows.create(workflow, replace(version, definition=definition))
    return replace(workflow, definition=definition)


async def arrive(cloud: Cloud, workflow: Workflow, *inputs: Any, **origin: Any) -> list[str]:
    """Deliveries, as the receiver takes them."""
    control = workflow.definition["settings"].get("flow_control")
    target = Startable(DEFAULT_PROJECT_ID, workflow.id, workflow.name, "active", 1, None, control)
    about = Origin({"type": "webhook"}, correlation_id="c", **origin)
    return [(await start(target, each, about, queue=Ingest(), clock=cloud.clock)).execution_id for each in inputs]


async def rows(cloud: Cloud, workflow: Workflow) -> list[Any]:
    query = text("SELECT input, status, created_at FROM workflow_executions WHERE workflow_id = :id ORDER BY id")
    async with cloud.stores.engine.connect() as connection:
        return list((await connection.execute(query, {"id": workflow.id})).all())


async def scenario(cloud: Cloud) -> None:
    """Some of each, and all that they promise."""
    one = await stored(cloud.stores, max_concurrency=1)
    two = await stored(cloud.stores, flow_control={"concurrency": {"limit": 2}}, max_concurrency=2)
    burst = await stored(cloud.stores, flow_control={"debounce": {"period_seconds": 1_000}})
    batch = await stored(cloud.stores, flow_control={"batch": {"max_size": 3, "max_wait_seconds": 60}})
    await arrive(cloud, one, 1, 2, 3)
    await arrive(cloud, two, 1, 2, 3)
    await arrive(cloud, burst, 1, 2)
    await arrive(cloud, batch, 1, 2, 3, 4)

    await cloud.run()

    for workflow, limit, count in ((one, 1, 3), (two, 2, 3)):
        assert cloud.most[workflow.id] <= limit
        assert [row.status for row in await rows(cloud, workflow)] == ["succeeded"] * count
        assert sorted(row.input for row in await rows(cloud, workflow)) == [1, 2, 3]
    (held,) = await rows(cloud, burst)
    assert (held.status, held.input in (1, 2)) == ("succeeded", True)
    batches = await rows(cloud, batch)
    assert {row.status for row in batches} == {"succeeded"}
    assert sorted(n for row in batches for n in row.input["items"]) == [1, 2, 3, 4]
    assert not cloud.messages


async def test_all_that_arrives_runs_within_its_limits(cloud: Any):
    await scenario(await cloud())


@pytest.mark.parametrize("seed", range(4))
async def test_processes_that_are_killed_at_random_lose_nothing_and_pass_no_limit(cloud: Any, seed: int):
    lots = Random(seed)

    await scenario(await cloud(seed, lambda step: lots.random() < 0.08))


async def test_a_process_that_is_killed_at_any_one_step_loses_nothing(cloud: Any):
    """One by one: each step of the smallest case in which somebody waits for another's end."""
    step, steps = 0, 1
    while step < steps:
        step += 1
        made = await cloud(0, lambda at, last=step: at == last)
        workflow = await stored(made.stores, max_concurrency=1, flow_control={"concurrency": {"limit": 1}})
        ids = await arrive(made, workflow, 1, 2)

        await made.run()

        assert set(made.machines) == set(ids), f"killed at step {step}"
        assert made.most[workflow.id] == 1
        assert [row.status for row in await rows(made, workflow)] == ["succeeded"] * 2
        steps = made.steps


async def test_a_projects_limit_holds_over_its_workflows(cloud: Any):
    made = await cloud()
    async with made.stores.engine.begin() as connection:
        await connection.execute(text("UPDATE projects SET max_concurrency = 2"))
    workflows = [await stored(made.stores) for _ in range(3)]
    for workflow in workflows:
        await arrive(made, workflow, 1, 2)
    most = 0

    while made.messages or made.running():
        await made.deliver(made.messages[:1])
        most = max(most, len(made.running()))
        if not made.messages and made.running():
            made.end(made.running()[0])

    assert most == 2
    assert len(made.machines) == 6


async def test_what_the_api_starts_waits_for_its_turn_as_well(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores, max_concurrency=1)
    queue = starts.SqsStartQueue(made.stores.queue, SETTINGS)
    requests = [new_request(workflow) for _ in range(3)]
    for request in requests:
        await queue.submit(request)
    assert {each.queue for each in made.messages} == {"wakes"}, "they may have to wait, so dispatch is spared them"

    await made.run()

    assert made.most[workflow.id] == 1
    assert set(made.machines) == {each.execution_id for each in requests}


async def test_one_that_is_cancelled_while_it_waits_to_be_dispatched_makes_room(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores, max_concurrency=1)
    first, second = await arrive(made, workflow, 1, 2)
    await made.deliver(list(made.messages))  # both get their rows, and wake
    await made.deliver(list(made.messages))  # the first is admitted, and its start is asked for
    assert [each.queue for each in made.messages] == ["starts"]

    await made.stores.executions.request_cancel(DEFAULT_PROJECT_ID, first, made.clock.now())
    await made.admit.wakes.look()  # as AwsExecutions does
    await made.run()

    assert list(made.machines) == [second]


async def test_one_wake_is_under_way_however_often_somebody_looks(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores, flow_control={"debounce": {"period_seconds": 600}})
    for n in range(5):
        await arrive(made, workflow, n)
        await made.deliver(list(made.messages))
        made.clock.advance(1)

    assert len(made.messages) == 1, "it comes when the first was due, and sees that others came since"
    await made.run()
    (row,) = await rows(made, workflow)
    assert (row.input, row.status) == (4, "succeeded")


async def test_deliveries_that_come_together_are_taken_in_the_order_in_which_they_were_sent(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores, flow_control={"batch": {"max_size": 5, "max_wait_seconds": 60}})
    await arrive(made, workflow, *range(5))
    await made.deliver([made.messages[n] for n in (3, 1, 4, 0, 2)])

    (row,) = await rows(made, workflow)
    assert row.input == {"items": [0, 1, 2, 3, 4]}


async def test_a_message_that_comes_twice_is_in_a_batch_once(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores, flow_control={"batch": {"max_size": 10, "max_wait_seconds": 60}})
    await arrive(made, workflow, 1, 2)
    for each in list(made.messages):
        made.send_message(QueueUrl=each.queue, MessageBody=each.body)

    await made.run()

    assert [sorted(row.input["items"]) for row in await rows(made, workflow)] == [[1, 2]]


async def test_what_the_rate_limit_refuses_after_its_answer_is_a_dead_letter(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores, flow_control={"rate_limit": {"limit": 1, "period_seconds": 60}})
    await arrive(made, workflow, {"n": 1}, {"n": 2})

    await made.run()

    (begun,) = await rows(made, workflow)
    (letter,) = (await made.stores.dead_letters.list(DEFAULT_PROJECT_ID)).items
    assert (letter.stage, letter.code) == (Stage.WEBHOOK, "flow.rate_limited")
    assert sorted([begun.input["n"], letter.payload["input"]["n"]]) == [1, 2]


async def test_a_time_beyond_what_sqs_holds_back_is_waited_for_in_parts(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores, flow_control={"debounce": {"period_seconds": 3_600}})
    began = made.clock.now()
    await arrive(made, workflow, 1)

    await made.run()

    (machine,) = made.machines.values()
    assert 3_600 <= (machine.began - began).total_seconds() < 3_602


async def test_that_an_execution_began_is_told_once_where_somebody_listens(cloud: Any):
    made = await cloud()
    workflow = await stored(made.stores)
    await arrive(made, workflow, 1)
    await made.run()
    assert names(made) == {"execution.succeeded": 1}, "nobody listened"
    listening = text(
        "INSERT INTO triggers (id, project_id, workflow_id, type, config, is_active, created_at, updated_at)"
        " VALUES (gen_random_uuid(), :project, :workflow, 'event', '{}', true, now(), now())"
    )
    async with made.stores.engine.begin() as connection:
        await connection.execute(listening, {"project": DEFAULT_PROJECT_ID, "workflow": workflow.id})

    await arrive(made, workflow, 2)
    (message,) = made.messages
    await made.deliver([message])
    made.messages.append(message)
    await made.deliver([message])  # whoever started it may have died before it told so

    first, again = (each for each in made.bus.published if each.document["detail-type"] == "execution.started")
    assert first.id == again.id
    assert first.document == again.document
    assert first.document["detail"]["started_at"] is not None


def names(cloud: Cloud) -> Counter[str]:
    return Counter(each.document["detail-type"] for each in cloud.bus.published)


async def test_the_sample_has_a_wake_and_a_request_with_a_ticket(cloud: Any):
    made = await cloud()
    request = orjson.loads(SAMPLE["Records"][1]["body"])
    workflow, version = new_workflow(id=request["workflow_id"])
    await made.stores.workflows.create(workflow, version)

    answer = await module._settled(SAMPLE["Records"])

    assert answer == {"batchItemFailures": []}
    (row,) = await rows(made, workflow)
    assert (row.status, row.input) == (ExecutionStatus.QUEUED, request["input"])


async def test_a_database_that_is_away_is_waited_for_once_in_a_batch(cloud: Any):
    made, asked = await cloud(), []

    class Away:
        async def submit(self, request: Any) -> Accepted:
            asked.append(request)
            raise StoreUnavailable("away")

    made.admit = replace(made.admit, flow=Away())
    tickets = [SAMPLE["Records"][1] | {"messageId": name} for name in "abc"]

    answer = await module._settled(tickets)

    assert answer == {"batchItemFailures": [{"itemIdentifier": name} for name in "abc"]}
    assert len(asked) == 1


@pytest.mark.parametrize("body", ["{}", "[]", "no json", '{"look_at": 7}'])
async def test_another_message_fails_alone(cloud: Any, body: str):
    await cloud()
    records = [SAMPLE["Records"][0], SAMPLE["Records"][0] | {"messageId": "odd", "body": body}]

    assert await module._settled(records) == {"batchItemFailures": [{"itemIdentifier": "odd"}]}


async def test_a_request_without_a_ticket_is_not_admits(cloud: Any):
    await cloud()
    body = starts.encode(new_request(new_workflow()[0])).decode()

    answer = await module._settled([SAMPLE["Records"][0] | {"messageId": "odd", "body": body}])

    assert answer == {"batchItemFailures": [{"itemIdentifier": "odd"}]}
