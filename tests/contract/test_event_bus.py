"""EventBus: one suite for every implementation."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.ids import new_id
from shared.ports.events import EventBus
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.records import Event, event_of
from tests.support.stores import Stores, now

Seen = Callable[[int], Awaitable[Sequence[Event]]]


@pytest.fixture
def bus(stores: Stores) -> EventBus:
    return stores.events


@pytest.fixture
async def seen(stores: Stores) -> Seen:
    """Gives so many events as they come out behind the bus."""
    await stores.events.claim(now(), lease=timedelta(hours=1), limit=10_000)  # what others left

    async def claimed(count: int) -> list[Event]:
        found = await stores.events.claim(now(), lease=timedelta(hours=1), limit=10_000)
        assert len(found) == count
        return [each.event for each in found]

    return claimed


def an_event(project_id: str = DEFAULT_PROJECT_ID, **fields: Any) -> Event:
    entry = {"source": "shop", "detail-type": "order.created", "detail": {"total": 5}, **fields}
    return event_of(entry, project_id=project_id, now=now())


def told(event: Event) -> tuple[Any, ...]:
    """All that its publisher said; the account and the region are the bus's own, and so is how it writes a time."""
    document = {key: value for key, value in event.document.items() if key not in ("account", "region")}
    return event.project_id, event.id, event.depth, document | {"time": datetime.fromisoformat(document["time"])}


async def test_an_event_comes_out_as_it_was_published(bus: EventBus, seen: Seen):
    detail = {"text": "naïve 🙂", "n": [1, 2.5, None, {"deep": True}]}
    event = an_event(id=f"order {new_id()}", resources=["a", "b"], detail=detail, time="2026-01-02T03:04:05Z")

    published = await bus.publish(event)

    assert (published.event_id, published.duplicate) == (event.id, False)
    (found,) = await seen(1)
    assert told(found) == told(event)


async def test_an_id_means_nothing_in_another_project(bus: EventBus, seen: Seen):
    mine, other = an_event(id="once"), an_event(new_id(), id="once")

    for each in (mine, other):
        assert not (await bus.publish(each)).duplicate

    assert {each.project_id for each in await seen(2)} == {mine.project_id, other.project_id}


async def test_many_at_once_are_all_taken(bus: EventBus, seen: Seen):
    events = [an_event(detail={"text": "x" * 40_000}) for _ in range(25)]  # more, and more bytes, than a request takes

    await asyncio.gather(*(bus.publish(each) for each in events))

    assert sorted(each.id for each in await seen(25)) == sorted(each.id for each in events)
