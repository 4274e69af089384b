"""Polling against a real source on loopback, over a real database, on a clock that a test moves."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from functions.nodes.http import core as http
from functions.nodes.tool import core as tool
from functions.poll import core
from local.tasks import LocalTasks
from local.wiring_schedules import scheduler
from shared.clock import ManualClock
from shared.errors import StoreUnavailable
from shared.ids import new_id
from shared.triggers.polling import PollingTriggerConfig
from shared.triggers.records import Trigger, TriggerType
from shared.workflow.node_lambda import NodeServices
from shared.workflow.records import Workflow, WorkflowStatus
from tests.support.stores import Stores, new_version, new_workflow
from tests.triggers.source import Source, source_server

T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)
BY_ID = {"by": "ids", "id": "{% $item.id %}"}
ALL = {"policy": "emit_all"}


class Bench:
    """One workflow, one source, a clock, and the scheduler as a process has it."""

    def __init__(self, stores: Stores, workflow: Workflow, source: Source, runner: LocalTasks) -> None:
        self.stores, self.workflow, self.source, self.runner = stores, workflow, source, runner
        self.clock = ManualClock(T0)
        self.scheduler = scheduler(
            stores.engine, runner=runner, blobs=stores.blobs, queue=stores.queue, clock=self.clock
        )

    @property
    def deps(self) -> core.Deps:
        s = self.stores
        return core.Deps(s.trigger_states, s.poll_sources, s.workflows, self.runner, s.blobs, s.queue, self.clock)

    async def polling(self, **config: Any) -> Trigger:
        source = {"type": "http", "url": f"{self.source.url}/feed"}
        wanted = {"interval_seconds": 60, "source": source, "detect": BY_ID, "first_poll": ALL, **config}
        stored = PollingTriggerConfig.model_validate(wanted).model_dump(mode="json", exclude_none=True)
        at = self.clock.now()
        trigger = Trigger(
            new_id(), self.workflow.project_id, self.workflow.id, TriggerType.POLLING, stored, True, at, at
        )
        await self.stores.triggers.create(trigger, None)
        return trigger

    async def poll(self, seconds: float = 60) -> None:
        self.clock.advance(seconds)
        await self.scheduler.look()

    async def emitted(self) -> list[Any]:
        """Inputs of everything that was started, in the order of their start."""
        inputs, cursor = [], None
        while True:
            page = await self.stores.executions.list(
                self.workflow.project_id, workflow_id=self.workflow.id, limit=200, cursor=cursor
            )
            for each in page.items:
                execution = await self.stores.executions.get(each.project_id, each.id)
                assert execution is not None
                inputs.append(execution.input)
            if (cursor := page.next_cursor) is None:
                return inputs[::-1]

    async def memory(self, trigger: Trigger) -> core.PollingMemory:
        kept = await self.stores.trigger_states.get(trigger.project_id, trigger.id)
        assert kept is not None
        return core.PollingMemory.model_validate(kept.document)


@pytest.fixture
async def bench(stores: Stores) -> AsyncIterator[Bench]:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    async with source_server() as source:
        requests = http.http_deps(source.url.removeprefix("http://"))
        tools = tool.tool_deps(source.url.removeprefix("http://"))
        functions = {
            "${HttpFunctionArn}": partial(http.run, deps=requests),
            "${ToolFunctionArn}": partial(tool.run, deps=tools),
        }
        yield Bench(stores, workflow, source, LocalTasks(functions, NodeServices(blobs=stores.blobs)))
        await requests.aclose()
        await tools.aclose()


def items(*ids: int) -> list[dict[str, Any]]:
    return [{"id": number, "name": f"n{number}"} for number in ids]


class Flaky:
    """A port that loses calls: before they reach it, or after they did their work."""

    def __init__(self, real: Any, chance: random.Random, names: set[str]) -> None:
        self._real, self._chance, self._names = real, chance, names

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name not in self._names:
            return method

        async def call(*args: Any, **options: Any) -> Any:
            luck = self._chance.random()
            if luck < 0.03:
                raise StoreUnavailable("lost on the way there")
            result = await method(*args, **options)
            if luck < 0.06:
                raise StoreUnavailable("lost on the way back")
            return result

        return call


async def one_process(bench: Bench, deps: core.Deps) -> int:
    """Claims and advances once; what the store interrupts is left as a dead process leaves it. How many it held."""
    claimed = await bench.stores.trigger_states.claim(TriggerType.POLLING, bench.clock.now(), lease=core.LEASE)
    for each in claimed:
        with suppress(StoreUnavailable):
            await core.advance(deps, each)
    return len(claimed)


@pytest.mark.parametrize(
    ("detect", "emit", "polls", "validators"),
    [
        (BY_ID, "per_item", 1_000, False),
        ({"by": "cursor", "cursor": "{% $item.at %}", "id": "{% $item.id %}"}, "batch", 1_000, False),
        ({"by": "etag"}, "per_item", 300, True),
    ],
    ids=["ids", "cursor", "etag"],
)
async def test_a_thousand_polls_with_failures_and_restarts_emit_the_truth(bench, detect, emit, polls, validators):
    chance = random.Random(f"{detect} {emit}")
    truth: list[dict[str, Any]] = []
    bench.source.validators = validators
    bench.source.fail = lambda: chance.choice([500, "drop"]) if chance.random() < 0.1 else None
    bench.source.document = truth
    trigger = await bench.polling(
        detect=detect,
        emit=emit,
        pause_after_failures=100,
        **({"items": "{% $response.body[-1] %}"} if validators else {}),
    )
    deps = replace(
        bench.deps,
        states=Flaky(bench.stores.trigger_states, chance, {"keep"}),
        queue=Flaky(bench.stores.queue, chance, {"submit"}),
    )

    clock_of_items = 0
    while (asked := len(bench.source.requests)) < polls or chance.random() > 0.05:
        quiet = asked >= polls
        if quiet:
            bench.source.fail = lambda: None
            deps = bench.deps
        last = await bench.memory(trigger) if validators and asked else None
        if not quiet and (not validators or last is None or last.last_poll == bench.clock.now()):
            for _ in range(chance.choice([0, 0, 1, 2, 3]) if not validators else 1):
                clock_of_items += chance.choice([0, 1])
                truth.append({"id": len(truth), "at": clock_of_items})
        bench.clock.advance(chance.choice([60, 60, 61, 600]))
        if chance.random() < 0.1:  # two processes at once
            both = await asyncio.gather(one_process(bench, deps), one_process(bench, deps))
            assert sum(both) <= 1
        else:
            await one_process(bench, deps)

    emitted = await bench.emitted()
    flat = [each["item"] for each in emitted] if emit == "per_item" else [i for each in emitted for i in each["items"]]
    assert len(bench.source.requests) >= polls
    assert len(flat) == len(truth)
    assert [each["id"] for each in flat] == [each["id"] for each in truth]
    assert len(truth) > polls / 5


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"policy": "emit_all"}, [1, 2, 3, 4]),
        ({"policy": "emit_none"}, [4]),
        ({"policy": "emit_latest", "count": 2}, [2, 3, 4]),
    ],
)
async def test_the_first_poll(bench, policy, expected):
    bench.source.document = {"rows": items(3, 2, 1)}
    await bench.polling(first_poll=policy, order="newest_first", items="{% $response.body.rows %}")
    await bench.poll()
    bench.source.document = {"rows": items(4, 3, 2)}
    await bench.poll()

    assert [each["item"]["id"] for each in await bench.emitted()] == expected


async def test_a_batch_is_one_execution_with_an_input_of_its_own(bench):
    bench.source.document = items(1, 2)
    await bench.polling(emit="batch", input={"ids": "{% $items.id %}", "count": "{% $count($items) %}"})
    await bench.poll()
    await bench.poll()

    assert await bench.emitted() == [{"ids": [1, 2], "count": 2}]


async def test_unchanged_content_by_validator_is_not_even_sent(bench):
    bench.source.validators, bench.source.document = True, items(1)
    await bench.polling(detect={"by": "etag"}, emit="batch")
    for _ in range(3):
        await bench.poll()
    bench.source.document = items(1, 2)
    await bench.poll()
    bench.source.document = items(1)
    await bench.poll()

    assert [len(each["items"]) for each in await bench.emitted()] == [1, 2, 1]
    assert ["if-none-match" in headers for _, headers in bench.source.requests] == [False, True, True, True, True]


async def test_changed_content_by_hash(bench):
    bench.source.document = {"state": "a"}
    await bench.polling(detect={"by": "hash"})
    for state in ("a", "b", "a", "a"):
        bench.source.document = {"state": state}
        await bench.poll()

    assert [each["item"]["state"] for each in await bench.emitted()] == ["a", "b", "a"]


async def test_the_source_is_told_the_cursor(bench):
    bench.source.document = [{"id": 7, "at": "2026-03-01"}]
    source = {
        "type": "http",
        "url": f"{bench.source.url}/feed",
        "query": {"since": "{% $cursor = null ? 'ever' : $cursor %}"},
    }
    await bench.polling(source=source, detect={"by": "cursor", "cursor": "{% $item.at %}"})
    await bench.poll()
    await bench.poll()

    assert [line.split(" ")[1] for line, _ in bench.source.requests] == ["/feed?since=ever", "/feed?since=2026-03-01"]
    assert len(await bench.emitted()) == 1


async def test_a_tool_as_the_source(bench):
    arguments = {"text": "id,name\n1,Ada\n2,Bob"}
    await bench.polling(source={"type": "tool", "tool": "csv.parse", "arguments": arguments})
    await bench.poll()
    await bench.poll()

    assert [each["item"]["name"] for each in await bench.emitted()] == ["Ada", "Bob"]


async def test_a_large_answer_is_taken_in_whole(bench):
    bench.source.document = [{"id": number, "text": "x" * 1_000} for number in range(400)]
    await bench.polling(emit="batch", input="{% $count($items) %}")
    await bench.poll()

    assert await bench.emitted() == [400]


async def test_errors_back_off_and_at_last_pause_with_a_reason(bench):
    trigger = await bench.polling(pause_after_failures=4)
    bench.source.fail = lambda: 500
    waits = []
    for _ in range(3):
        await bench.poll(0)
        memory = await bench.memory(trigger)
        waits.append((memory.next_poll - bench.clock.now()).total_seconds())
        bench.clock.advance(waits[-1])
    await bench.poll(0)

    memory = await bench.memory(trigger)
    assert waits == [60, 60, 120]
    assert memory.paused_reason.startswith("4 polls in a row failed, the last one with: DestinationServerError")
    stored = await bench.stores.triggers.get(trigger.project_id, trigger.id)
    assert stored.is_active is False
    await bench.poll(86_400)
    assert len(bench.source.requests) == 4

    bench.source.fail, bench.source.document = (lambda: None), items(1)
    await bench.stores.triggers.update(replace(stored, is_active=True, updated_at=bench.clock.now()), None)
    await bench.poll(0)
    memory = await bench.memory(trigger)
    assert (memory.failures, memory.paused_reason, len(await bench.emitted())) == (0, None, 1)


async def test_retry_after_is_kept_to(bench):
    trigger = await bench.polling()
    bench.source.fail = lambda: 429
    await bench.poll()

    assert (await bench.memory(trigger)).next_poll == bench.clock.now() + timedelta(hours=2)


async def test_mistakes_of_the_config_count_as_failures_and_lose_nothing(bench):
    bench.source.document = [{"name": "no id"}]
    trigger = await bench.polling()
    await bench.poll()
    assert "Item 0 has no id" in (await bench.memory(trigger)).last_error
    bench.source.document = items(1)
    await bench.poll()

    assert len(await bench.emitted()) == 1


async def test_a_rate_limit_holds_over_all_triggers_of_a_source(bench):
    for _ in range(3):
        await bench.polling(requests_per_minute=2)
    counts = []
    for _ in range(9):
        await bench.poll(10)
        counts.append(len(bench.source.requests))

    assert counts == [1, 1, 1, 2, 2, 2, 3, 3, 3]


async def test_while_the_workflow_is_paused_nothing_is_asked_and_nothing_lost(bench):
    trigger = await bench.polling()
    bench.source.document = items(1)
    at = bench.clock.now()
    await bench.stores.workflows.set_status(trigger.project_id, trigger.workflow_id, WorkflowStatus.PAUSED, at)
    await bench.poll()
    assert "paused" in (await bench.memory(trigger)).waiting_for
    await bench.stores.workflows.set_status(trigger.project_id, trigger.workflow_id, WorkflowStatus.ACTIVE, at)
    await bench.poll()

    assert (len(bench.source.requests), len(await bench.emitted())) == (1, 1)


async def test_an_item_that_the_workflow_does_not_take_is_counted(bench):
    schema = {"type": "object", "properties": {"item": {"properties": {"id": {"maximum": 1}}}}}
    current = await bench.stores.workflows.get(bench.workflow.project_id, bench.workflow.id)
    changed = replace(current, version=2, definition={**current.definition, "input_schema": schema})
    await bench.stores.workflows.update(changed, new_version(changed))
    bench.source.document = items(1, 2)
    trigger = await bench.polling()
    await bench.poll()

    memory = await bench.memory(trigger)
    assert (memory.emitted, memory.refused) == (1, 1)
    assert "maximum" in memory.last_refusal or "1" in memory.last_refusal


async def test_another_source_begins_anew(bench):
    bench.source.document = items(1)
    trigger = await bench.polling()
    await bench.poll()
    config = {**trigger.config, "detect": {"by": "ids", "id": "{% $item.name %}"}}
    await bench.stores.triggers.update(replace(trigger, config=config, updated_at=bench.clock.now()), None)
    await bench.poll()

    assert len(await bench.emitted()) == 2


async def test_what_eventbridge_scheduler_sends_polls_once(bench):
    bench.source.document = items(1)
    trigger = await bench.polling()

    assert [await core.on_event(bench.deps, trigger.id) for _ in range(2)] == ["polled", "not_due"]
    assert len(await bench.emitted()) == 1
