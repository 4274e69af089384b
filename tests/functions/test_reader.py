"""Which statements of the API go to the database's copy: two databases, each with rows of its own, tell."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql
from pydantic import SecretStr

from functions.api import aws
from functions.api.deps import Deps
from shared.adapters.aws.settings import AwsSettings, Stage
from shared.adapters.local.embedded_postgres import DATABASE
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.failures import keep_failures
from shared.adapters.postgres.progress import PostgresProgress
from shared.audit.records import Action, AuditFilter
from shared.bulk.records import BulkRun, new_bulk_id
from shared.errors import StoreUnavailable
from shared.executions.records import Priority
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID, Settings
from shared.triggers.dead_letters import Stage as Failing
from shared.triggers.dead_letters import Undelivered
from shared.triggers.events.records import event_of
from shared.triggers.events.replays import Replay, ReplayStatus
from tests.support.stores import KeptBus, Stores, new_request, new_workflow, now, open_stores

ROLE = "arn:aws:iam::123456789012:role/machines"
KEY = Fernet.generate_key().decode()
EVERYTHING = AuditFilter()


@dataclass(frozen=True)
class Rows:
    """What one database holds, one of each kind."""

    execution_id: str
    event_id: str
    replay_id: str
    bulk: BulkRun
    target_id: str


async def filled(stores: Stores) -> Rows:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    bulk = BulkRun(new_bulk_id(), DEFAULT_PROJECT_ID, workflow.id, 1, 1, 1, 10, Priority.LOW, "c", now())
    request = new_request(workflow, execution_id=bulk.item_id(0))
    await stores.queue.submit(request)
    await stores.bulk_runs.create(bulk)
    event = event_of({"source": "shop", "detail-type": "t", "detail": {}}, project_id=DEFAULT_PROJECT_ID, now=now())
    await stores.events.publish(event)
    replay = Replay(new_id(), DEFAULT_PROJECT_ID, "r", None, (), now(), now(), ReplayStatus.RUNNING, now())
    await stores.replays.create(replay)
    target_id = new_id()
    await stores.audit.record(Action(DEFAULT_PROJECT_ID, "tried", "workflow", target_id, None))
    async with stores.engine.begin() as connection:
        lost = Undelivered(target_id, DEFAULT_PROJECT_ID, Failing.EVENT, None, "c", "why", {})
        await keep_failures(connection, [lost], now())
    return Rows(request.execution_id, event.id, replay.id, bulk, target_id)


@pytest.fixture(scope="module")
def copy_url(postgres_url: str) -> str:
    """The URL of a second database, which like a copy can only be read once it has its rows."""
    name = f"{postgres_url.rpartition('/')[2].partition('?')[0]}_copy"
    with psycopg.connect(postgres_url.replace(f"/{name.removesuffix('_copy')}?", "/postgres?"), autocommit=True) as one:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(DATABASE))
        one.execute(made)
    return postgres_url.replace(f"/{name.removesuffix('_copy')}?", f"/{name}?")


@pytest.fixture(scope="module")
async def here(stores: Stores) -> Rows:
    """What the database holds."""
    return await filled(stores)


@pytest.fixture(scope="module")
async def there(copy_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What its copy holds."""
    stores = open_stores(copy_url, redis_url, KEY, tmp_path_factory.mktemp("copy"))
    rows = await filled(stores)
    async with stores.engine.begin() as connection:
        name = copy_url.rpartition("/")[2].partition("?")[0]
        await connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await stores.close()
    return rows


@pytest.fixture
async def wired(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[str | None], Deps]]:
    """Wires the API as its Lambda does, with a copy at the URL or without one."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    engines = []
    create_engine = aws.create_engine

    def kept(url: str, **options: Any) -> Any:
        engines.append(create_engine(url, **options))
        return engines[-1]

    monkeypatch.setattr(aws, "create_engine", kept)
    monkeypatch.setattr(aws, "EventBridgeBus", lambda _: KeptBus())  # what is cancelled is told of
    progress = PostgresProgress(postgres_url)
    monkeypatch.setattr(aws, "PostgresProgress", lambda _: progress)

    def wire(reader: str | None) -> Deps:
        settings = Settings(database_url=SecretStr(postgres_url), redis_url=SecretStr(redis_url))
        stage = Stage(settings, AwsSettings(machine_role_arn=ROLE), SecretStr(reader) if reader else None)
        return aws._wired(stage, FernetBox(KEY), "s3://blobs")

    yield wire
    await progress.close()
    for engine in engines:
        await engine.dispose()


async def listed(deps: Deps) -> dict[str, Any]:
    """What every list of the API shows."""
    letters = await deps.dead_letters.list(DEFAULT_PROJECT_ID)
    audited = await deps.audit.list(DEFAULT_PROJECT_ID, EVERYTHING, limit=50, cursor=None)
    return {
        "executions": [each.id for each in (await deps.executions.list(DEFAULT_PROJECT_ID)).items],
        "events": [each.id for each in (await deps.archive.list(DEFAULT_PROJECT_ID)).items],
        "replays": [each.id for each in (await deps.replays.list(DEFAULT_PROJECT_ID)).items],
        "bulk": [each.id for each in (await deps.bulk_runs.list(DEFAULT_PROJECT_ID)).items],
        "letters": [each.key for each in letters.items],
        "audited": [each.target_id for each in audited.items if each.action == "tried"],
    }


def shown(rows: Rows) -> dict[str, Any]:
    return {
        "executions": [rows.execution_id],
        "events": [rows.event_id],
        "replays": [rows.replay_id],
        "bulk": [rows.bulk.id],
        "letters": [rows.target_id],
        "audited": [rows.target_id],
    }


async def test_lists_show_what_the_copy_holds(wired, copy_url, here, there):
    deps = wired(copy_url)

    assert await listed(deps) == shown(there)
    assert [each.execution_id for each in await deps.bulk_runs.items(there.bulk)] == [there.execution_id]
    assert await deps.bulk_runs.items(here.bulk) == []


async def test_without_a_copy_they_show_what_the_database_holds(wired, here, there):
    assert await listed(wired(None)) == shown(here)


async def test_what_may_have_been_written_just_now_is_read_where_it_was_written(wired, copy_url, here, there):
    deps = wired(copy_url)

    assert await deps.executions.get(DEFAULT_PROJECT_ID, here.execution_id)
    assert await deps.executions.get(DEFAULT_PROJECT_ID, there.execution_id) is None
    assert await deps.replays.get(DEFAULT_PROJECT_ID, here.replay_id)
    assert await deps.bulk_runs.get(DEFAULT_PROJECT_ID, here.bulk.id)
    assert sum((await deps.bulk_runs.counts(here.bulk)).values()) == 1
    exported = [each.target_id async for each in deps.audit.export(DEFAULT_PROJECT_ID)]
    assert here.target_id in exported
    assert there.target_id not in exported
    assert (await deps.audit.head(DEFAULT_PROJECT_ID)).seq == len(exported)
    assert (await deps.workflows.list(DEFAULT_PROJECT_ID)).items[0].id == here.bulk.workflow_id


async def test_writing_never_goes_to_the_copy(wired, copy_url, here, there):
    deps = wired(copy_url)

    assert await deps.executions.request_cancel(DEFAULT_PROJECT_ID, here.execution_id, now())
    await deps.audit.record(Action(DEFAULT_PROJECT_ID, "again", "workflow", new_id(), None))
    await deps.replays.cancel(DEFAULT_PROJECT_ID, here.replay_id, now() + timedelta(seconds=1))

    found = await deps.replays.get(DEFAULT_PROJECT_ID, here.replay_id)
    assert found is not None
    assert found.status is ReplayStatus.CANCELLED


async def test_a_copy_that_is_away_takes_the_lists_with_it_and_nothing_else(wired, here):
    deps = wired("postgresql://nobody@127.0.0.1:1/none")

    async with asyncio.timeout(20):
        with pytest.raises(StoreUnavailable):
            await deps.executions.list(DEFAULT_PROJECT_ID)
    assert await deps.executions.get(DEFAULT_PROJECT_ID, here.execution_id)
