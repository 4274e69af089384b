"""From the end of a state machine to the execution's own, and to an event on the bus, over the real database."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from functions.complete import handler as module
from functions.complete.core import CompleteDeps, Ended, complete
from shared.clock import SystemClock
from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, StartRequest, machine_input
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import KeptBus, KeptWatches, Stores, Woken, new_request, new_workflow

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "execution-ended.json").read_bytes())


@dataclass
class Described:
    """What Step Functions says of the one execution."""

    found: dict[str, Any]

    async def describe(self, execution_arn: str) -> dict[str, Any]:
        return self.found


@pytest.fixture
def bus() -> KeptBus:
    return KeptBus()


@pytest.fixture
async def request_(stores: Stores) -> StartRequest:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    request = new_request(workflow, context={"trigger": {"type": "event", "depth": 3}, "correlation_id": "c"})
    await stores.queue.submit(request)
    return request


def deps(stores: Stores, bus: KeptBus, request: StartRequest, **found: Any) -> CompleteDeps:
    given = {"status": "SUCCEEDED", "output": '{"n": 1}', "startDate": BEGAN, "stopDate": BEGAN + timedelta(seconds=4)}
    described = given | {"input": orjson.dumps(machine_input(request, "w")).decode()} | found
    rows = (stores.journal, stores.queue, stores.progress, stores.express)
    return CompleteDeps(Described(described), *rows, KeptWatches(), bus, Woken(), SystemClock())


BEGAN = SystemClock().now() - timedelta(seconds=5)
EVENT = {"detail": {"executionArn": "arn"}}


async def test_an_end_is_recorded_and_told_under_the_same_id_each_time(stores, bus, request_):
    made = deps(stores, bus, request_)

    ended = await complete(EVENT, made)
    await complete(EVENT, made)

    assert ended == Ended(ExecutionStatus.SUCCEEDED, 4_000)
    found = await stores.executions.get(DEFAULT_PROJECT_ID, request_.execution_id)
    assert (found.status, found.result, found.started_at) == (ExecutionStatus.SUCCEEDED, {"n": 1}, BEGAN)
    first, again = bus.published
    assert first.id == again.id
    assert first.document["detail-type"] == "execution.succeeded"
    detail = first.document["detail"]
    assert (detail["execution_id"], detail["output"], detail["depth"]) == (request_.execution_id, {"n": 1}, 3)


async def test_an_end_that_could_not_be_told_is_told_when_the_message_comes_back(stores, bus, request_):
    made, bus.away = deps(stores, bus, request_, status="FAILED", error="Boom", cause="because"), True
    with pytest.raises(StoreUnavailable):
        await complete(EVENT, made)
    bus.away = False

    await complete(EVENT, made)

    (event,) = bus.published
    assert event.document["detail-type"] == "execution.failed"
    assert event.document["detail"]["error"] == {"name": "Boom", "cause": "because"}


async def test_only_ends_that_others_may_wait_for_wake_them(stores, bus, request_):
    made = deps(stores, bus, request_)
    await complete(EVENT, made)
    assert made.wakes.times == []
    workflow, version = new_workflow()
    definition = version.definition | {"settings": {"max_concurrency": 1}}
    await stores.workflows.create(workflow, replace(version, definition=definition))
    limited = new_request(workflow)
    await stores.queue.submit(limited)
    made = deps(stores, bus, limited)
    bus.away = True
    with pytest.raises(StoreUnavailable):
        await complete(EVENT, made)

    assert made.wakes.times == [None], "those that wait do not wait for the bus"


async def test_what_is_no_end_is_not_told(stores, bus, request_):
    assert await complete(EVENT, deps(stores, bus, request_, status="RUNNING")) is None

    assert bus.published == []


async def test_a_nested_execution_gets_its_row_when_it_ends(stores, bus, request_):
    nested = replace(
        request_,
        execution_id=new_id(),
        context={"trigger": {"type": "workflow", "parent": {"execution_id": request_.execution_id, "node": "a"}}},
    )
    made = deps(stores, bus, nested)

    for _ in range(2):
        await complete(EVENT, made)

    found = await stores.executions.get(DEFAULT_PROJECT_ID, nested.execution_id)
    assert (found.status, found.result, found.started_at) == (ExecutionStatus.SUCCEEDED, {"n": 1}, BEGAN)
    assert found.context["parent"] == {"execution_id": request_.execution_id}
    assert [each.document["detail"]["depth"] for each in bus.published] == [3, 3], "of the one that it is nested in"


async def test_of_an_execution_whose_parent_is_not_known_nothing_is_published(stores, bus, request_):
    parent = {"execution_id": new_id(), "node": "a"}
    nested = replace(request_, execution_id=new_id(), context={"trigger": {"type": "workflow", "parent": parent}})

    await complete(EVENT, deps(stores, bus, nested))

    assert (await stores.executions.get(DEFAULT_PROJECT_ID, nested.execution_id)).status is ExecutionStatus.SUCCEEDED
    assert bus.published == []


def test_the_sample_names_one_execution(monkeypatch):
    seen = []

    async def done(event, deps):
        seen.append(event["detail"]["status"])

    monkeypatch.setattr(module, "complete", done)
    monkeypatch.setattr(module, "_deps", lambda: None)

    assert module.handler(SAMPLE, object()) == {"batchItemFailures": []}
    assert seen == ["SUCCEEDED"]
