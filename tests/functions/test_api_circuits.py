"""Circuit breakers through the API."""

import pytest
from redis.asyncio import Redis

from shared.adapters.redis.circuits import RedisCircuits
from shared.ports import Permit
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import assert_problem
from tests.functions.test_doors import app_over, client_of

HOST = "api.example.com:443"


@pytest.fixture
async def api(doors):
    await doors.stores.redis.flushdb()
    return doors.api


async def test_open_circuits_are_shown_and_can_be_closed(api, doors):
    for _ in range(8):
        await doors.stores.circuits.failed(DEFAULT_PROJECT_ID, HOST, Permit())
    await doors.stores.circuits.failed(DEFAULT_PROJECT_ID, "other.example:80", Permit())
    opened, counted = (await api.get("/api/circuits")).json()["items"]
    assert (opened["destination"], opened["state"], opened["failures"]) == (HOST, "open", 8)
    assert opened["retry_at"].endswith("Z")
    assert counted == {"destination": "other.example:80", "state": "closed", "failures": 1, "retry_at": None}
    assert (await api.delete(f"/api/circuits/{HOST}")).status_code == 204
    assert_problem(await api.delete(f"/api/circuits/{HOST}"), 404, "resource.not_found")
    assert [each["destination"] for each in (await api.get("/api/circuits")).json()["items"]] == ["other.example:80"]


async def test_without_the_cache_they_are_not_known():
    async with (
        Redis(host="127.0.0.1", port=1, retry=None) as redis,
        client_of(app_over(circuits=RedisCircuits(redis))) as client,
    ):
        assert_problem(await client.get("/api/circuits"), 503, "platform.store_unavailable")
