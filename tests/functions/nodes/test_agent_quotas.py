"""A project's tokens and dollars of the day, on a real database and against a server that speaks chat completions."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pydantic_ai.models
import pytest
from sqlalchemy import select

from functions.nodes.agent.core import AgentDeps
from shared.adapters.postgres.agents import PostgresAgentTurns
from shared.adapters.postgres.engine import Pooled
from shared.adapters.postgres.tables import model_usage
from shared.errors import ModelQuotaUsedUp
from shared.identity.records import DEFAULT_ORGANISATION_ID, Project
from shared.ids import new_id
from shared.ports import AgentRun, AgentTurnRecord
from tests.functions.nodes.conftest import EXECUTION
from tests.support.agent_machine import Machine
from tests.support.openai_server import OpenAIServer, openai_server, said
from tests.support.stores import Stores, now

PER_TURN = 18
"""What the server says that a turn took."""
DAYS = count(1)

SetQuotas = Callable[..., Awaitable[None]]


@pytest.fixture
async def openai(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenAIServer]:
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", True)
    async with openai_server() as server:
        yield server


@pytest.fixture
async def deps(openai: OpenAIServer, stores: Stores) -> AsyncIterator[AgentDeps]:
    """On a day of its own."""
    deps = AgentDeps(environment={"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": "k"}, request_seconds=5)
    deps.turns = turns_of(stores, next(DAYS))
    yield deps
    await deps.aclose()


@pytest.fixture
async def set_quotas(stores: Stores) -> AsyncIterator[SetQuotas]:
    """Sets those of the project that agents run in here, for one test."""
    members = stores.access.members
    found = await members.projects([EXECUTION["project_id"]])
    project = Project(EXECUTION["project_id"], DEFAULT_ORGANISATION_ID, "quotas", now())
    if not found:
        await members.create_project(project, None)

    async def changed(**quotas: Any) -> None:
        await members.change_project(replace(project, **quotas))

    yield changed
    await members.change_project(project)


def turns_of(stores: Stores, day: int) -> PostgresAgentTurns:
    return PostgresAgentTurns(Pooled(stores.engine), lambda: datetime.now(UTC) + timedelta(days=100 * day))


@pytest.mark.parametrize("quota", [(PER_TURN + 1, 2), (PER_TURN, 1)])
async def test_once_the_tokens_of_the_day_are_used_up_no_model_is_asked(
    stores: Stores, deps: AgentDeps, openai: OpenAIServer, set_quotas: SetQuotas, quota: tuple[int, int]
):
    tokens, fits = quota
    await set_quotas(max_tokens_per_day=tokens)
    openai.answers = [said("one"), said("two"), said("three")]

    for _ in range(fits):
        await Machine(deps, {}).run()
    with pytest.raises(ModelQuotaUsedUp, match=rf"may use {tokens} tokens a day, and have used {fits * PER_TURN}\."):
        await Machine(deps, {}).run()
    assert len(openai.requests) == fits

    deps.turns = turns_of(stores, next(DAYS))
    assert await Machine(deps, {}).run() == ("three" if fits == 2 else "two"), "another day"


async def test_dollars_count_where_the_price_is_known(deps: AgentDeps, openai: OpenAIServer, set_quotas: SetQuotas):
    await set_quotas(max_dollars_per_day=0.5)
    openai.answers = [said("one")]
    assert deps.turns is not None
    earlier = AgentRun(EXECUTION["project_id"], new_id(), "n", "")

    await deps.turns.keep(earlier, AgentTurnRecord(0, [], {}, {"cost_usd": 0.25}))
    await Machine(deps, {}).run()
    await deps.turns.keep(earlier, AgentTurnRecord(1, [], {}, {"cost_usd": 0.25}))
    with pytest.raises(ModelQuotaUsedUp, match=r"may use 0\.5 dollars a day, and have used 0\.5\."):
        await Machine(deps, {}).run()


async def test_of_turns_at_once_those_under_way_end_and_later_ones_do_not_begin(
    deps: AgentDeps, openai: OpenAIServer, set_quotas: SetQuotas
):
    await set_quotas(max_tokens_per_day=1)
    openai.answers = [said("said") for _ in range(16)]

    async def tried() -> bool:
        try:
            await Machine(deps, {}).run()
        except ModelQuotaUsedUp:
            return False
        return True

    assert any(await asyncio.gather(*(tried() for _ in range(8))))
    assert not any(await asyncio.gather(*(tried() for _ in range(8))))


async def test_a_turn_that_is_kept_several_times_counts_once(stores: Stores):
    turns, run = PostgresAgentTurns(Pooled(stores.engine)), AgentRun(new_id(), new_id(), "n", "")
    taken = AgentTurnRecord(0, [], {}, {"usage": {"input_tokens": 3, "output_tokens": 4}, "cost_usd": 0.5})

    await asyncio.gather(*(turns.keep(run, taken) for _ in range(5)))

    query = select(model_usage.c.tokens, model_usage.c.dollars).where(model_usage.c.project_id == run.project_id)
    async with stores.engine.connect() as connection:
        assert (await connection.execute(query)).one() == (7, 0.5)
