"""EventQueue, and what it knows of ids that came before: one suite for every implementation.

What every EventBus does is in test_event_bus.py. EventBridge knows no ids of its publishers, so that there nobody is
told of a duplicate: docs/adr/0014-one-rule-and-queues-before-functions.md.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.errors import IdempotencyMismatch
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.delivery import undelivered
from shared.triggers.events.records import Event, Published, event_of
from tests.support.stores import Stores, now

LEASE = timedelta(seconds=30)


@pytest.fixture(autouse=True)
async def _empty(stores: Stores) -> None:
    async with stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE events, event_queue, dead_letters"))


def new_event(**fields: Any) -> Event:
    entry = {"source": "shop", "detail-type": "order.created", "detail": {"total": 5}, **fields}
    return event_of(entry, project_id=DEFAULT_PROJECT_ID, now=now())


async def test_a_claimed_event_is_the_published_one_to_its_key(stores: Stores):
    event = new_event(id="order-1", resources=["a", "b"], detail={"text": "naïve \0", "n": [1, 2.5, None]})

    assert await stores.events.publish(event) == Published("order-1")

    (claimed,) = await stores.events.claim(now(), lease=LEASE, limit=10)
    assert (claimed.event, claimed.attempts) == (event, 1)


async def test_an_id_is_taken_once(stores: Stores):
    event = new_event(id="once")

    answers = [await stores.events.publish(event), await stores.events.publish(new_event(id="once"))]

    assert answers == [Published("once"), Published("once", duplicate=True)]
    assert len(await stores.events.claim(now(), lease=LEASE, limit=10)) == 1


async def test_an_id_of_another_event_is_refused(stores: Stores):
    await stores.events.publish(new_event(id="once"))

    with pytest.raises(IdempotencyMismatch, match="said something else"):
        await stores.events.publish(new_event(id="once", detail={"total": 6}))


async def test_of_many_at_once_repeated_ones_are_taken_once(stores: Stores):
    batch = [new_event(id=f"e{number % 300}") for number in range(600)]

    answers = await asyncio.gather(*(stores.events.publish(each) for each in batch))

    assert sum(not each.duplicate for each in answers) == 300
    claimed = await stores.events.claim(now(), lease=LEASE, limit=1_000)
    assert sorted(each.event.id for each in claimed) == sorted({each.id for each in batch})


async def test_a_claimed_event_is_nobody_elses_until_the_lease_ends(stores: Stores):
    await stores.events.publish(new_event())
    at = now()

    first = await stores.events.claim(at, lease=LEASE, limit=10)

    assert len(first) == 1
    assert await stores.events.claim(at + LEASE / 2, lease=LEASE, limit=10) == []
    (again,) = await stores.events.claim(at + LEASE, lease=LEASE, limit=10)
    assert again.attempts == 2


async def test_dispatchers_that_claim_at_once_get_each_event_once(stores: Stores):
    await asyncio.gather(*(stores.events.publish(new_event()) for _ in range(100)))
    at = now()

    rounds = await asyncio.gather(*(stores.events.claim(at, lease=LEASE, limit=40) for _ in range(5)))

    keys = [each.event.key for claimed in rounds for each in claimed]
    assert len(keys) == len(set(keys)) == 100


async def test_finished_events_are_gone_and_failures_are_kept_once(stores: Stores):
    event = new_event()
    await stores.events.publish(event)
    failed = undelivered("event:1:t", event, None, code="event.input", reason="it does not fit")

    for _ in range(2):
        await stores.events.finish([event], [failed], now())

    assert await stores.events.claim(now() + LEASE, lease=LEASE, limit=10) == []
    async with stores.engine.connect() as connection:
        rows = (await connection.execute(text("SELECT key, code, reason, status, payload FROM dead_letters"))).all()
    assert [tuple(row)[:4] for row in rows] == [("event:1:t", "event.input", "it does not fit", "waiting")]
    assert rows[0].payload["event"] == event.document


async def test_old_events_are_forgotten_unless_they_wait(stores: Stores):
    waiting, old = new_event(), new_event()
    for each in (waiting, old):
        await stores.events.publish(each)
    await stores.events.finish([old], [], now())
    await asyncio.sleep(0.002)  # keys are ordered by the millisecond
    border = now()
    young = new_event()
    await stores.events.publish(young)

    assert await stores.archive.prune(border) == 1

    kept = (await stores.archive.list(DEFAULT_PROJECT_ID)).items
    assert {each.key for each in kept} == {waiting.key, young.key}
