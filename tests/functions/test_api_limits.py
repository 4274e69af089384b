"""Rate limits at the doors: who is counted, what the answers say, and what happens without Valkey."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from functions.api.app import create_app
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.ids import new_id
from tests.functions.conftest import BASE_URL, Doors, assert_problem


def app_with(doors: Doors, limits: Any = None, **settings: int) -> Any:
    deps = doors.api_app.state.deps
    changed = deps.settings.model_copy(update={f"rate_limit_{name}": value for name, value in settings.items()})
    return create_app(replace(deps, settings=changed, limits=limits or deps.limits))


def client_of(app: Any, doors: Doors, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    headers = {"Authorization": doors.api.headers["Authorization"]}
    return httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers)


@contextmanager
def webhook_limit(doors: Doors, limits: Any, amount: int) -> Iterator[None]:
    had = doors.webhook_app.state.deps
    settings = had.settings.model_copy(update={"rate_limit_webhooks": amount})
    doors.webhook_app.state.deps = replace(had, limits=limits or had.limits, settings=settings)
    try:
        yield
    finally:
        doors.webhook_app.state.deps = had


async def another_key(doors: Doors) -> str:
    return (await doors.api.post("/api/keys", json={"name": "k", "scopes": ["workflows:read"]})).json()["key"]


@pytest.fixture
async def away() -> Any:
    """Limits whose Valkey cannot be reached."""
    redis = Redis.from_url("redis://127.0.0.1:1")
    yield RedisRateLimits(redis)
    await redis.aclose()


async def test_64_clients_of_one_key_get_what_the_limit_says(doors: Doors):
    key = await another_key(doors)
    async with client_of(app_with(doors, caller=100), doors) as client:
        client.headers["Authorization"] = f"Bearer {key}"

        async def ask() -> list[int]:
            return [(await client.get("/api/workflows")).status_code for _ in range(4)]

        answers = [status for each in await asyncio.gather(*(ask() for _ in range(64))) for status in each]
        refused = await client.get("/api/workflows")

    assert 95 <= answers.count(200) <= 105
    assert set(answers) == {200, 429}
    problem = assert_problem(refused, 429, "request.too_many")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert problem["details"]["retry_after_seconds"] == int(refused.headers["retry-after"])
    assert refused.headers["ratelimit-policy"] == '"caller";q=100;w=60'
    assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')


async def test_another_key_is_counted_on_its_own_and_the_project_over_both(doors: Doors):
    one, other = await another_key(doors), await another_key(doors)
    project = (await doors.api.post("/api/projects", json={"name": "limited"})).json()["id"]
    async with client_of(app_with(doors, caller=2, project=0), doors) as client:
        statuses = [
            (await client.get("/api/me", headers={"Authorization": f"Bearer {key}"})).status_code
            for key in (one, one, one, other)
        ]
    async with client_of(app_with(doors, project=1), doors) as client:
        headers = {"Millrace-Project": project}
        outside = await client.get("/api/workflows", headers=headers)

    assert statuses == [200, 200, 429, 200]
    assert_problem(
        outside, 403, "auth.permission_missing"
    )  # the owner's key is of another project, and costs it nothing


async def test_the_project_is_counted(doors: Doors):
    limit = {"project": 1}
    app = app_with(doors, **limit)
    async with client_of(app, doors) as client:
        answers = [await client.get("/api/workflows") for _ in range(3)]

    assert answers[-1].status_code == 429
    assert '"project";q=1;w=60' in answers[-1].headers["ratelimit-policy"]


async def test_an_address_is_counted_before_anything_else_and_signing_in_on_its_own(doors: Doors):
    address = f"2001:db8::{new_id()[-4:]}"
    body = {"email": "nobody@example.org", "password": "wrong password"}
    async with client_of(app_with(doors, address=5, sign_in=2), doors, address) as client:
        tried = [
            (await client.post("/api/auth/login", json=body | {"email": f"{new_id()}@example.org"})).status_code
            for _ in range(3)
        ]
        others = [(await client.get("/api/me", headers={"Authorization": ""})).status_code for _ in range(3)]
        health = await client.get("/healthz")

    assert tried == [401, 401, 429]
    assert others == [401, 401, 429]
    assert health.status_code == 200


async def test_loopback_has_no_limit_of_its_address(doors: Doors):
    async with client_of(app_with(doors, address=1), doors) as client:
        answers = [await client.get("/api/me") for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 200]
    assert "address" not in answers[0].headers["ratelimit-policy"]


async def test_the_answer_says_what_is_left(doors: Doors):
    key = await another_key(doors)
    async with client_of(app_with(doors, caller=10, project=50_000), doors) as client:
        answer = await client.get("/api/workflows", headers={"Authorization": f"Bearer {key}"})

    assert answer.headers["ratelimit-policy"] == '"caller";q=10;w=60, "project";q=50000;w=60'
    assert answer.headers["ratelimit"].startswith('"caller";r=9;t=')


async def test_webhooks_are_counted_by_project_after_their_proof(doors: Doors):
    workflow = await doors.workflow()
    open_ = await doors.trigger(workflow["id"], config={"verification": {"scheme": "none"}})
    signed = await doors.trigger(
        workflow["id"], config={"verification": {"scheme": "github"}}, secret="s3cret-of-the-hook"
    )

    async def deliver(trigger: dict[str, Any]) -> httpx.Response:
        return await doors.webhook.post(f"/webhooks/{trigger['webhook']['path']}", json={"a": new_id()})

    with webhook_limit(doors, None, 3):
        forged = [(await deliver(signed)).status_code for _ in range(5)]
        answers = [await deliver(open_) for _ in range(5)]

    assert forged == [401] * 5
    assert [each.status_code for each in answers] == [202, 202, 202, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert len(await doors.executions(workflow["id"])) == 3


async def test_without_valkey_the_api_still_counts_and_webhooks_are_taken_in(doors: Doors, away: RedisRateLimits):
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], config={"verification": {"scheme": "none"}})
    async with client_of(app_with(doors, away, caller=5), doors) as client:
        answers = [(await client.get("/api/me")).status_code for _ in range(8)]
    with webhook_limit(doors, away, 1):
        delivered = [
            (await doors.webhook.post(f"/webhooks/{trigger['webhook']['path']}", json={"n": n})).status_code
            for n in range(64)
        ]

    assert answers == [200] * 5 + [429] * 3
    assert delivered == [202] * 64
