"""TriggerStates, TriggerRuns and PollSources: one suite for every implementation."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.ids import new_id
from shared.ports import PollSources, TriggerState, TriggerStates
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.records import Trigger, TriggerType
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_workflow

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE, SECOND = timedelta(seconds=30), timedelta(seconds=1)
KIND = TriggerType.POLLING


@pytest.fixture
def states(stores: Stores) -> TriggerStates:
    return stores.trigger_states


@pytest.fixture
def sources(stores: Stores) -> PollSources:
    return stores.poll_sources


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return workflow


@pytest.fixture
async def trigger(stores: Stores, workflow: Workflow) -> Trigger:
    """The only active trigger of its type."""
    for each in await stores.trigger_states.claim(KIND, NOW + timedelta(days=9), lease=LEASE, limit=1_000):
        await stores.triggers.delete(each.trigger.project_id, each.trigger.id)
    return await add(stores, workflow)


async def add(stores: Stores, workflow: Workflow) -> Trigger:
    trigger = Trigger(new_id(), workflow.project_id, workflow.id, KIND, {}, True, NOW, NOW)
    await stores.triggers.create(trigger, None)
    return trigger


async def test_a_new_trigger_is_due_and_held_until_it_is_given_back(states, trigger):
    (claimed,) = await states.claim(KIND, NOW, lease=LEASE)

    assert (claimed.trigger, claimed.state, claimed.changed) == (trigger, None, True)
    assert await states.claim(KIND, NOW, lease=LEASE) == []
    assert await states.get(trigger.project_id, trigger.id) is None
    assert await states.keep(claimed, TriggerState({"n": 1}, NOW + SECOND), NOW)
    assert await states.claim(KIND, NOW, lease=LEASE) == []
    (again,) = await states.claim(KIND, NOW + SECOND, lease=LEASE)
    assert (again.state, again.changed) == (TriggerState({"n": 1}, NOW + SECOND), False)
    assert await states.get(trigger.project_id, trigger.id) == again.state
    assert await states.get(new_id(), trigger.id) is None


async def test_what_is_held_on_stays_held(states, trigger):
    (claimed,) = await states.claim(KIND, NOW, lease=LEASE)
    await states.keep(claimed, TriggerState({"n": 1}, NOW), NOW, hold=True)

    assert await states.claim(KIND, NOW, lease=LEASE) == []
    (again,) = await states.claim(KIND, NOW + LEASE, lease=LEASE)
    assert again.state.document == {"n": 1}
    assert not await states.keep(claimed, TriggerState({"n": 2}, NOW), NOW)


async def test_a_changed_trigger_is_due(states, stores, trigger):
    (claimed,) = await states.claim(KIND, NOW, lease=LEASE)
    await states.keep(claimed, TriggerState({}, None), NOW)
    assert await states.claim(KIND, NOW + timedelta(days=1), lease=LEASE) == []

    await stores.triggers.update(replace(trigger, config={"a": 1}, updated_at=NOW + SECOND), None)

    (again,) = await states.claim(KIND, NOW, lease=LEASE)
    assert (again.changed, again.trigger.config) == (True, {"a": 1})


async def test_a_change_while_it_is_held_is_not_missed(states, stores, trigger):
    (claimed,) = await states.claim(KIND, NOW, lease=LEASE)
    await stores.triggers.update(replace(trigger, updated_at=NOW + SECOND), None)
    await states.keep(claimed, TriggerState({}, None), NOW, paused="It failed.")

    (again,) = await states.claim(KIND, NOW, lease=LEASE)
    assert (again.changed, again.trigger.is_active) == (True, True)


async def test_pausing_switches_it_off(states, stores, trigger):
    (claimed,) = await states.claim(KIND, NOW, lease=LEASE)
    await states.keep(claimed, TriggerState({}, NOW), NOW + SECOND, paused="It failed.")

    stored = await stores.triggers.get(trigger.project_id, trigger.id)
    assert (stored.is_active, stored.updated_at) == (False, NOW + SECOND)
    assert await states.claim(KIND, NOW + timedelta(days=1), lease=LEASE) == []


async def test_a_deleted_trigger_keeps_nothing(states, stores, trigger):
    (claimed,) = await states.claim(KIND, NOW, lease=LEASE)
    await stores.triggers.delete(trigger.project_id, trigger.id)

    assert not await states.keep(claimed, TriggerState({}, NOW), NOW)


async def test_claims_at_once_share_what_is_due(states, stores, workflow, trigger):
    more = [await add(stores, workflow) for _ in range(19)]

    claims = await asyncio.gather(*(states.claim(KIND, NOW, lease=LEASE, limit=4) for _ in range(8)))

    taken = [each.trigger.id for claimed in claims for each in claimed]
    assert len(taken) == len(set(taken))
    assert all(len(claimed) <= 4 for claimed in claims)
    rest = await states.claim(KIND, NOW, lease=LEASE, limit=100)
    assert {*taken, *(each.trigger.id for each in rest)} == {trigger.id, *(each.id for each in more)}


async def test_one_may_be_asked_for(states, stores, workflow, trigger):
    other = await add(stores, workflow)

    (claimed,) = await states.claim(KIND, NOW, lease=LEASE, only=other.id)

    assert claimed.trigger.id == other.id
    assert await states.claim(TriggerType.SCHEDULE, NOW, lease=LEASE, only=trigger.id) == []


async def test_runs_of_a_trigger(stores, workflow, trigger):
    requests = [new_request(workflow, trigger_id=trigger.id, idempotency_key=f"k{number}") for number in range(2)]
    for request in [*requests, new_request(workflow)]:
        await stores.queue.submit(request)
    await stores.executions.request_cancel(workflow.project_id, requests[0].execution_id, NOW)

    unfinished = await stores.trigger_runs.unfinished(workflow.project_id, trigger.id)

    assert [(each.execution_id, each.idempotency_key) for each in unfinished] == [(requests[1].execution_id, "k1")]
    assert await stores.trigger_runs.find(workflow.id, "k0") == requests[0].execution_id
    assert await stores.trigger_runs.find(workflow.id, "k9") is None
    assert await stores.trigger_runs.unfinished(new_id(), trigger.id) == []


async def test_of_many_requests_at_once_one_may_be_made(sources):
    answers = await asyncio.gather(*(sources.reserve(DEFAULT_PROJECT_ID, "http:a", NOW, LEASE) for _ in range(20)))

    assert sorted(answers, key=str) == [*[NOW + LEASE] * 19, None]
    assert await sources.reserve(DEFAULT_PROJECT_ID, "http:b", NOW, LEASE) is None
    assert await sources.reserve(DEFAULT_PROJECT_ID, "http:a", NOW + LEASE, LEASE) is None
