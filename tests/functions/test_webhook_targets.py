"""Finding a webhook: as the database says, and as it last said where it does not answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from functions.webhook.targets import AWAY, FRESH, STALE, CachedTargets
from shared.adapters.redis.ingest import RedisIngest
from shared.clock import ManualClock
from shared.errors import StoreUnavailable
from shared.ids import new_id
from shared.ports.ingest import WebhookTargets
from shared.triggers.records import WebhookTarget
from tests.functions.conftest import Doors


class Flaky(WebhookTargets):
    """The database's answers, unless it is `away`, or `hangs`."""

    def __init__(self, store: WebhookTargets) -> None:
        self.store = store
        self.away = self.hangs = False
        self.asked = 0

    async def target(self, path: str) -> WebhookTarget | None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.away:
            raise StoreUnavailable("away")
        return await self.store.target(path)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis.from_url(redis_url)
    yield redis
    await redis.aclose()


@pytest.fixture
def database(doors: Doors) -> Flaky:
    return Flaky(doors.stores.triggers)


@pytest.fixture
async def path(doors: Doors) -> str:
    config = {"path": f"p-{new_id()}", "verification": {"scheme": "github"}}
    trigger = await doors.trigger((await doors.workflow())["id"], config=config, secret="hush hush hush")
    return str(trigger["webhook"]["path"])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def process(doors: Doors, database: Flaky, redis: Redis, clock: ManualClock) -> CachedTargets:
    return CachedTargets(database, RedisIngest(redis), doors.stores.secrets, clock)


async def test_a_change_is_seen_once_what_is_known_is_not_fresh(doors, database, redis, clock, path):
    targets = process(doors, database, redis, clock)
    found = await targets.target(path)
    trigger = found.registration.trigger_id
    (await doors.api.put(f"/api/triggers/{trigger}", json={"is_active": False})).raise_for_status()

    clock.advance(FRESH.total_seconds())
    still = await targets.target(path)
    clock.advance(1)
    after = await targets.target(path)

    assert (found.registration.is_active, still, after.registration.is_active) == (True, found, False)
    assert database.asked == 2
    (await doors.api.delete(f"/api/triggers/{trigger}")).raise_for_status()
    clock.advance(FRESH.total_seconds() + 1)
    assert await targets.target(path) is None
    database.away = True
    with pytest.raises(StoreUnavailable):
        await process(doors, database, redis, clock).target(path)


async def test_another_process_finds_what_one_kept_while_the_database_is_away(doors, database, redis, clock, path):
    known = await process(doors, database, redis, clock).target(path)
    database.away = True

    found = await process(doors, database, redis, clock).target(path)

    assert found == known
    assert found.registration.secret


async def test_a_database_that_is_away_is_not_asked_with_every_delivery(doors, database, redis, clock, path):
    targets = process(doors, database, redis, clock)
    await targets.target(path)
    database.away = True
    clock.advance(FRESH.total_seconds() + 1)

    for _ in range(5):
        await targets.target(path)
    assert database.asked == 2
    clock.advance(AWAY.total_seconds() + 1)
    await targets.target(path)
    assert database.asked == 3


async def test_what_is_known_does_not_serve_for_ever(doors, database, redis, clock, path):
    targets = process(doors, database, redis, clock)
    await targets.target(path)
    database.away = True
    clock.advance(STALE.total_seconds())
    assert await targets.target(path) is not None
    clock.advance(1)

    with pytest.raises(StoreUnavailable):
        await targets.target(path)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("functions.webhook.targets.PATIENCE_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_hangs_is_one_that_is_away(doors, database, redis, clock, path):
    targets = process(doors, database, redis, clock)
    known = await targets.target(path)
    database.hangs = True
    clock.advance(FRESH.total_seconds() + 1)

    assert await targets.target(path) == known


async def test_the_cache_holds_neither_the_path_nor_anything_that_can_be_read_or_forged(
    doors, database, redis, clock, path
):
    found = await process(doors, database, redis, clock).target(path)
    kept = {key: await redis.get(key) async for key in redis.scan_iter("millrace:webhook:*")}

    assert kept
    for key, value in kept.items():
        assert path.encode() not in key
        assert found.registration.project_id.encode() not in value
        await redis.set(key, b'{"target": {}}')
    database.away = True
    with pytest.raises(StoreUnavailable):
        await process(doors, database, redis, clock).target(path)


async def test_a_cache_that_is_away_is_an_empty_one(doors, database, clock, path):
    nowhere = Redis.from_url("redis://127.0.0.1:1")
    targets = process(doors, database, nowhere, clock)
    known = await targets.target(path)
    database.away = True
    clock.advance(FRESH.total_seconds() + 1)

    assert await targets.target(path) == known
    with pytest.raises(StoreUnavailable):
        await process(doors, database, nowhere, clock).target(path)
    await nowhere.aclose()
