"""The Lambda that takes the events of the bus, over the real database; Lambda's own records are in events/."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from functions.event import core
from functions.event import handler as module
from functions.event.arrival import Arrivals, Deps
from shared.adapters.aws import batches
from shared.adapters.aws.events import entry_of, event_from
from shared.clock import SystemClock
from shared.errors import InvalidParameter, StoreUnavailable
from shared.executions.records import Accepted, StartRequest
from shared.ids import new_id
from shared.ports import StartQueue
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.records import Event, event_of
from tests.functions.conftest import Doors

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "event-delivery.json").read_bytes())
PATTERN = {"source": ["shop"]}


class Queue(StartQueue):
    """The database's queue, unless it is `away`."""

    def __init__(self, rows: StartQueue) -> None:
        self.rows, self.away = rows, False

    async def submit(self, request: StartRequest) -> Accepted:
        if self.away:
            raise StoreUnavailable("away")
        return await self.rows.submit(request)


@pytest.fixture
def queue(doors: Doors) -> Queue:
    return Queue(doors.stores.queue)


@pytest.fixture
def arrivals(doors: Doors, queue: Queue) -> Arrivals:
    stores, clock = doors.stores, SystemClock()
    deps = core.Deps(stores.events, stores.event_triggers, stores.workflows, queue, stores.lifecycle, clock)
    return Arrivals(Deps(stores.events, deps))


@pytest.fixture(autouse=True)
def _rests(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rest(record: dict[str, Any], *, hopeless: bool) -> None:
        """Nobody has a queue here."""

    monkeypatch.setattr(batches, "_rest", rest)


def event(**fields: Any) -> Event:
    given = {"source": "shop", "detail-type": "order", "detail": {"n": 1}} | fields
    return event_of(given, project_id=DEFAULT_PROJECT_ID, now=SystemClock().now())


def delivered(published: Event) -> dict[str, Any]:
    """What EventBridge makes of the entry."""
    entry = entry_of(published, "bus")
    return {
        "version": "0",
        "id": new_id(),
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": "123456789012",
        "time": entry["Time"].isoformat(),
        "region": "eu-central-1",
        "resources": entry["Resources"],
        "detail": orjson.loads(entry["Detail"]),
    }


async def arrive(arrivals: Arrivals, document: dict[str, Any]) -> None:
    await arrivals.keep(event_from(document, SystemClock().now()))
    await arrivals.show()


async def test_an_event_that_comes_twice_starts_one_execution(doors: Doors, arrivals: Arrivals):
    workflow = await doors.workflow()
    await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN})
    published = event(id=new_id())

    for _ in range(2):  # published twice, each time under another id of EventBridge's
        await arrive(arrivals, delivered(published))

    (execution,) = await doors.executions(workflow["id"])
    whole = (await doors.api.get(f"/api/executions/{execution['id']}")).json()
    assert (whole["input"]["id"], whole["input"]["resources"]) == (published.id, [])


async def test_a_batch_of_events_that_come_at_once_starts_each_once(doors: Doors, arrivals: Arrivals):
    workflow = await doors.workflow()
    await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN})
    documents = [delivered(event(id=new_id())) for _ in range(10)]

    await asyncio.gather(*(arrive(arrivals, each) for each in [*documents, *documents]))

    assert len(await doors.executions(workflow["id"])) == len(documents)


async def test_what_cannot_be_queued_now_waits_for_the_message_to_come_back(
    doors: Doors, arrivals: Arrivals, queue: Queue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(core, "LEASE", core.timedelta())
    workflow = await doors.workflow()
    await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN})
    document, queue.away = delivered(event(id=new_id())), True
    with pytest.raises(StoreUnavailable):
        await arrive(arrivals, document)
    queue.away = False

    await arrive(arrivals, document)

    assert len(await doors.executions(workflow["id"])) == 1


async def test_an_event_of_an_id_that_said_something_else_is_dropped(doors: Doors, arrivals: Arrivals):
    workflow, same = await doors.workflow(), new_id()
    await doors.trigger(workflow["id"], type="event", config={"pattern": PATTERN})

    for n in (1, 2):
        await arrive(arrivals, delivered(event(id=same, detail={"n": n})))

    assert len(await doors.executions(workflow["id"])) == 1


async def test_a_chain_keeps_its_depth_and_ends(doors: Doors, arrivals: Arrivals):
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], type="event", config={"pattern": {"source": ["millrace.executions"]}})
    own = delivered(event()) | {"source": "millrace.executions", "detail": {"depth": 8}}

    await arrive(arrivals, own)

    (letter,) = (await doors.stores.dead_letters.list(DEFAULT_PROJECT_ID, trigger_id=trigger["id"])).items
    assert letter.code == "event.loop"


async def test_ends_of_executions_are_kept_only_where_somebody_listens(doors: Doors, arrivals: Arrivals):
    own = delivered(event()) | {"source": "millrace.executions", "detail": {"depth": 0}}
    own["resources"] = [f"millrace:event:{new_id()}"]

    await arrive(arrivals, own)
    kept = await doors.stores.archive.list(DEFAULT_PROJECT_ID, limit=200)

    assert own["resources"][0].rpartition(":")[2] not in [each.id for each in kept.items]


def test_what_others_publish_belongs_to_the_default_project_or_to_the_one_it_names():
    other = new_id()
    plain = delivered(event()) | {"resources": ["r:1"]}

    found = event_from(plain, SystemClock().now())
    named = event_from(plain | {"resources": [f"millrace:project:{other}"]}, SystemClock().now())

    assert (found.project_id, found.id, found.document["resources"]) == (DEFAULT_PROJECT_ID, plain["id"], ["r:1"])
    assert (named.project_id, named.document["resources"]) == (other, [])


def test_nobody_publishes_for_another_project_by_its_resources():
    with pytest.raises(InvalidParameter):
        entry_of(event(resources=[f"millrace:project:{new_id()}"]), "bus")


def test_the_sample_is_one_event(monkeypatch: pytest.MonkeyPatch):
    seen: list[Event] = []

    class Seeing:
        async def keep(self, given: Event) -> None:
            seen.append(given)

        async def show(self) -> None:
            pass

    monkeypatch.setattr(module, "_arrivals", Seeing)
    answer = module.handler(SAMPLE, object())

    assert answer == {"batchItemFailures": []}
    assert [(each.id, each.project_id, each.document["detail"]["order"]) for each in seen] == [
        ("order-7", DEFAULT_PROJECT_ID, 7)
    ]


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"resources": 1}'])
def test_another_message_fails_alone(body: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_arrivals", lambda: None)
    record = SAMPLE["Records"][0] | {"body": body}

    answer = module.handler({"Records": [record]}, object())

    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
