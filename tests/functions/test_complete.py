"""From the end of a state machine to the execution's own, and to an event on the bus, over the real database."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
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
    asked: list[str] = field(default_factory=list)

    async def describe(self, execution_arn: str) -> dict[str, Any]:
        self.asked.append(execution_arn)
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
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:m"
EVENT = {"detail": {"executionArn": "arn", "stateMachineArn": MACHINE, "status": "SUCCEEDED", "output": None}}
"""It leaves out what is to be known, as those of large payloads do."""


def told(request: StartRequest, **detail: Any) -> dict[str, Any]:
    """The event of an end that says all; `detail` replaces parts. As AWS sends it: the sample was recorded there."""
    (event, *_) = (orjson.loads(record["body"]) for record in SAMPLE["Records"])
    given = orjson.dumps(machine_input(request, "w")).decode()
    return event | {"detail": event["detail"] | {"name": request.execution_id, "input": given} | detail}


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)


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
    made = deps(stores, bus, request_, status="RUNNING")

    with pytest.raises(StoreUnavailable):  # Step Functions may not have heard of the end yet
        await complete(EVENT, made)
    assert await complete(EVENT, made, again=True) is None, "it was let go on since"
    assert await complete(told(request_, status="RUNNING", stopDate=None), made) is None

    assert (bus.published, len(made.machines.asked)) == ([], 2)


async def test_an_end_is_recorded_as_its_event_says_without_asking(stores, bus, request_):
    made = deps(stores, bus, request_)

    ended = await complete(told(request_), made)

    assert (ended, made.machines.asked) == (Ended(ExecutionStatus.SUCCEEDED, 1_000), [])
    found = await stores.executions.get(DEFAULT_PROJECT_ID, request_.execution_id)
    assert (found.status, found.result) == (ExecutionStatus.SUCCEEDED, {"total": 7})
    assert (found.started_at, found.completed_at) == (at(1795424401000), at(1795424402000))


FAILED = {"status": "FAILED", "output": None, "outputDetails": None, "error": "Boom", "cause": "because"}


@pytest.mark.parametrize(
    ("detail", "end"),
    [
        (FAILED, (ExecutionStatus.FAILED, {"name": "Boom", "cause": "because"})),
        (FAILED | {"error": None, "cause": None}, (ExecutionStatus.FAILED, {"name": "States.Runtime", "cause": ""})),
        (
            FAILED | {"status": "TIMED_OUT", "error": None, "cause": None},
            (ExecutionStatus.TIMED_OUT, {"name": "States.Timeout", "cause": ""}),
        ),
        (FAILED | {"status": "ABORTED", "error": None, "cause": "on request"}, (ExecutionStatus.CANCELLED, None)),
    ],
)
async def test_a_bad_end_is_recorded_as_its_event_says_without_asking(stores, bus, request_, detail, end):
    made = deps(stores, bus, request_)

    await complete(told(request_, **detail), made)

    found = await stores.executions.get(DEFAULT_PROJECT_ID, request_.execution_id)
    assert ((found.status, found.error), made.machines.asked) == (end, [])


@pytest.mark.parametrize(
    "detail",
    [
        {"input": None, "inputDetails": {"included": False}},
        {"output": None, "outputDetails": {"included": False}},
        {"outputDetails": None},
        {"stopDate": "2026-11-30T10:00:00.000Z"},  # an emulator's
        {"redriveDate": "2026-11-30T10:00:00.000Z"},
    ],
    ids=["no input", "no output", "unsure", "text for a date", "text for a redrive"],
)
async def test_what_an_event_leaves_out_is_asked_for(stores, bus, request_, detail):
    made = deps(stores, bus, request_)

    await complete(told(request_, **detail), made)

    assert len(made.machines.asked) == 1
    found = await stores.executions.get(DEFAULT_PROJECT_ID, request_.execution_id)
    assert (found.result, found.started_at) == ({"n": 1}, BEGAN)


async def test_of_a_failure_that_does_not_say_why_it_is_asked_why(stores, bus, request_):
    made = deps(stores, bus, request_, status="FAILED", error="Boom", cause="because")
    event = told(request_, **FAILED)
    for name in ("error", "cause"):
        del event["detail"][name]

    await complete(event, made)

    found = await stores.executions.get(DEFAULT_PROJECT_ID, request_.execution_id)
    assert found.error == {"name": "Boom", "cause": "because"}


async def test_a_failure_that_is_told_again_ends_nothing_that_was_let_go_on(stores, bus, request_):
    made = deps(stores, bus, request_)
    await complete(told(request_, **FAILED), made)
    await stores.executions.request_redrive(DEFAULT_PROJECT_ID, request_.execution_id, at(1795424403000))
    made.machines.found |= {"status": "RUNNING"}

    assert await complete(told(request_, **FAILED), made, again=True) is None

    found = await stores.executions.get(DEFAULT_PROJECT_ID, request_.execution_id)
    assert found.status is ExecutionStatus.RUNNING


async def test_a_success_that_is_told_again_is_not_asked_about(stores, bus, request_):
    made = deps(stores, bus, request_)

    await complete(told(request_), made, again=True)

    assert made.machines.asked == []


async def test_an_end_after_a_redrive_counts_though_the_redrive_was_not_noted(stores, bus, request_):
    """Whoever asked for it died before the row said so, and a second end changes nothing."""
    made = deps(stores, bus, request_)
    await complete(told(request_, **FAILED), made)
    later = told(request_, stopDate=1795424409000, redriveCount=1, redriveDate=1795424403000)

    for _ in range(2):
        await complete(later, made)
    await complete(told(request_, **FAILED), made)

    found = await stores.executions.get(DEFAULT_PROJECT_ID, request_.execution_id)
    assert (found.status, found.result, found.error) == (ExecutionStatus.SUCCEEDED, {"total": 7}, None)
    assert found.completed_at == at(1795424409000)
    names = [each.document["detail-type"] for each in bus.published]
    assert names[:3] == ["execution.failed", "execution.succeeded", "execution.succeeded"]
    assert bus.published[1].id == bus.published[2].id


async def test_the_end_of_an_item_of_a_distributed_map_is_no_execution_of_ours(stores, bus, request_):
    *_, item = (orjson.loads(record["body"]) for record in SAMPLE["Records"])
    made = deps(stores, bus, request_)

    assert "/each:" in item["detail"]["executionArn"]
    assert await complete(item, made) is None
    assert (made.machines.asked, bus.published) == ([], [])


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


def test_the_handler_says_which_ends_were_told_before(monkeypatch):
    seen = []

    async def done(event, deps, *, again):
        seen.append((event["detail"]["status"], again))

    monkeypatch.setattr(module, "complete", done)
    monkeypatch.setattr(module, "_deps", lambda: None)
    first, *_ = SAMPLE["Records"]
    second = first | {"attributes": first["attributes"] | {"ApproximateReceiveCount": "2"}}

    assert module.handler({"Records": [first, second]}, object()) == {"batchItemFailures": []}
    assert seen == [("SUCCEEDED", False), ("SUCCEEDED", True)]
