"""Flow control over a real database: what the simulation says happens, also among several processes."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text, update

from shared.adapters.postgres.flow import PostgresFlow
from shared.adapters.postgres.tables import workflow_executions
from shared.clock import ManualClock
from shared.errors import FlowRateLimited, IdempotencyMismatch
from shared.executions.records import Accepted, ExecutionStatus
from shared.executions.start import Origin, Startable, start
from shared.ports import StartQueue
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_workflow

T0 = datetime(2026, 11, 23, 9, tzinfo=UTC)
_e = workflow_executions.c


class Bench:
    """One workflow with flow control, its clock, and processes that take arrivals in."""

    def __init__(self, stores: Stores, workflow: Workflow, control: dict[str, Any]) -> None:
        self.stores, self.workflow, self.control = stores, workflow, control
        self.clock = ManualClock(T0)
        self.flow = PostgresFlow(stores.engine, self.clock)

    async def arrive(self, data: Any, flow: StartQueue | None = None, **origin: Any) -> Accepted:
        target = Startable(
            DEFAULT_PROJECT_ID,
            self.workflow.id,
            self.workflow.name,
            "active",
            self.workflow.version,
            None,
            self.control,
        )
        about = Origin({"type": "manual"}, correlation_id="c", **origin)
        return await start(target, data, about, queue=flow or self.flow, clock=self.clock)

    async def rows(self) -> list[Any]:
        query = select(_e.id, _e.input, _e.completed_at).where(_e.workflow_id == self.workflow.id).order_by(_e.id)
        async with self.stores.engine.connect() as connection:
            return list((await connection.execute(query)).all())

    async def claimable(self) -> list[Any]:
        """Inputs of what may run now."""
        query = select(_e.input).where(
            _e.workflow_id == self.workflow.id, _e.claimable_at < text("now()"), _e.status == "queued"
        )
        async with self.stores.engine.connect() as connection:
            return list((await connection.execute(query.order_by(_e.id))).scalars())

    async def end(self, data: Any) -> None:
        """Ends the execution of this input."""
        (row,) = [each for each in await self.rows() if each.input == data and each.completed_at is None]
        done = update(workflow_executions).where(_e.id == row.id)
        async with self.stores.engine.begin() as connection:
            await connection.execute(done.values(status="succeeded", completed_at=self.clock.now()))


@pytest.fixture
async def bench(stores: Stores) -> Any:
    async with stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE flow_entries, flow_arrivals"))

    async def make(**control: Any) -> Bench:
        workflow, version = new_workflow()
        definition = {**version.definition, "settings": {"flow_control": control}}
        version = replace(version, definition=definition)
        await stores.workflows.create(workflow, version)
        return Bench(stores, workflow, control)

    return make


async def test_concurrency_makes_others_wait_in_their_order(bench: Any):
    b = await bench(concurrency={"limit": 2})
    for n in range(4):
        b.clock.advance(1)
        await b.arrive(n)

    assert await b.claimable() == [0, 1]
    await b.end(1)
    assert await b.flow.advance() == 1
    assert await b.claimable() == [0, 2]
    await b.end(0)
    await b.end(2)
    assert await b.flow.advance() == 1
    assert await b.claimable() == [3]


async def test_keys_flow_by_themselves(bench: Any):
    b = await bench(concurrency={"limit": 1}, key="{% $input.customer %}")
    for customer, n in (("ada", 1), ("ada", 2), ("bob", 3)):
        await b.arrive({"customer": customer, "n": n})

    assert [each["n"] for each in await b.claimable()] == [1, 3]


async def test_high_priority_begins_first(bench: Any):
    b = await bench(concurrency={"limit": 1}, priority="{% $input.vip ? 'high' : 'normal' %}")
    for n, vip in enumerate([False, False, True]):
        b.clock.advance(1)
        await b.arrive({"n": n, "vip": vip})

    await b.end({"n": 0, "vip": False})
    await b.flow.advance()

    assert [each["n"] for each in await b.claimable()] == [2]


async def test_throttle_lets_begin_when_the_period_is_over(bench: Any):
    b = await bench(throttle={"limit": 2, "period_seconds": 60})
    for n in range(5):
        await b.arrive(n)
    assert await b.claimable() == [0, 1]

    b.clock.advance(59)
    assert await b.flow.advance() == 0
    b.clock.advance(1)
    assert await b.flow.advance() == 2
    b.clock.advance(60)
    assert await b.flow.advance() == 1
    assert await b.claimable() == [0, 1, 2, 3, 4]


async def test_rate_limit_refuses_and_says_when_to_come_back(bench: Any):
    b = await bench(rate_limit={"limit": 2, "period_seconds": 60})
    await b.arrive(1)
    b.clock.advance(10)
    await b.arrive(2)

    with pytest.raises(FlowRateLimited) as refused:
        await b.arrive(3)

    assert refused.value.details["retry_after_seconds"] == 50
    b.clock.advance(50)
    await b.arrive(4)
    assert await b.claimable() == [1, 2, 4]


async def test_debounce_keeps_the_last_under_one_id(bench: Any):
    b = await bench(debounce={"period_seconds": 10})
    ids = []
    for n in range(3):
        ids.append((await b.arrive(n)).execution_id)
        b.clock.advance(9)
    assert len(set(ids)) == 1
    assert await b.claimable() == []

    b.clock.advance(1)
    await b.flow.advance()

    assert await b.claimable() == [2]


async def test_debounce_waits_no_longer_than_it_may(bench: Any):
    b = await bench(debounce={"period_seconds": 10, "max_wait_seconds": 25})
    for n in range(3):
        await b.arrive(n)
        b.clock.advance(9)

    await b.flow.advance()

    assert await b.claimable() == [2], "27 seconds have passed since the first"


async def test_a_batch_begins_when_it_is_full_or_over_time(bench: Any):
    b = await bench(batch={"max_size": 3, "max_wait_seconds": 60})
    for n in range(4):
        await b.arrive(n)

    assert await b.claimable() == [{"items": [0, 1, 2]}]
    b.clock.advance(60)
    await b.flow.advance()
    assert await b.claimable() == [{"items": [0, 1, 2]}, {"items": [3]}]


async def test_a_batch_stays_small_enough_to_start(bench: Any):
    b = await bench(batch={"max_size": 100, "max_wait_seconds": 60})
    for n in range(4):
        await b.arrive(str(n) + "x" * 90_000)

    assert [len(each["items"]) for each in await b.claimable()] == [2]


async def test_an_idempotency_key_of_the_input(bench: Any):
    b = await bench(idempotency_key="{% $input.order %}")
    first = await b.arrive({"order": 7, "try": 1}, b.stores.queue)

    again = await b.arrive({"order": 7, "try": 2}, b.stores.queue, idempotency_key="delivery-2")

    assert (again.execution_id, again.duplicate) == (first.execution_id, True)


async def test_a_delivery_that_repeats_is_known_again_though_it_was_merged(bench: Any):
    b = await bench(batch={"max_size": 3, "max_wait_seconds": 60})
    for key in "abab":
        await b.arrive(key, idempotency_key=key)

    (row,) = await b.rows()
    assert row.input == {"items": ["a", "b"]}
    with pytest.raises(IdempotencyMismatch):
        await b.arrive("other", idempotency_key="b")


async def test_what_waits_can_be_cancelled(bench: Any):
    b = await bench(concurrency={"limit": 1})
    for n in range(3):
        b.clock.advance(1)
        accepted = await b.arrive(n)
        if n == 1:
            second = accepted.execution_id

    before = await b.stores.executions.request_cancel(DEFAULT_PROJECT_ID, second, b.clock.now())
    await b.end(0)
    await b.flow.advance()

    assert before is ExecutionStatus.QUEUED
    assert await b.claimable() == [2]


async def test_a_cancelled_burst_takes_no_more_arrivals(bench: Any):
    b = await bench(debounce={"period_seconds": 10})
    first = (await b.arrive(1)).execution_id
    await b.stores.executions.request_cancel(DEFAULT_PROJECT_ID, first, b.clock.now())

    second = (await b.arrive(2)).execution_id
    b.clock.advance(10)
    await b.flow.advance()

    assert second != first
    assert await b.claimable() == [2]


async def test_many_at_once_in_several_processes_stay_within_the_limit(bench: Any):
    b = await bench(concurrency={"limit": 3})
    others = [PostgresFlow(b.stores.engine, b.clock) for _ in range(3)]

    accepted = await asyncio.gather(*(b.arrive(n, others[n % 3]) for n in range(30)))

    assert len({each.execution_id for each in accepted}) == 30
    seen: Counter[Any] = Counter()
    while (claimable := await b.claimable()) and len(seen) < 30:
        assert len(claimable) <= 3
        for data in claimable:
            seen[data] += 1
            await b.end(data)
        await asyncio.gather(*(each.advance() for each in others))
    assert seen == Counter(range(30))


async def test_a_batch_that_many_fill_at_once_loses_nothing(bench: Any):
    b = await bench(batch={"max_size": 4, "max_wait_seconds": 60})

    await asyncio.gather(*(b.arrive(n) for n in range(22)))
    b.clock.advance(60)
    await b.flow.advance()

    batches = [each["items"] for each in await b.claimable()]
    assert sorted(n for items in batches for n in items) == list(range(22))
    assert sorted(map(len, batches)) == [2, 4, 4, 4, 4, 4]
