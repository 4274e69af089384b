"""Lost connections and killed servers in the middle of writes: nothing is lost, nothing doubled."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest

from functions import migrate
from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.journal import PostgresJournal
from shared.errors import StoreUnavailable
from shared.executions.records import ExecutionStatus, HistoryEvent, StatusChange
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow
from tests.support.stores import Stores, new_request, new_workflow, now

PROJECT = DEFAULT_PROJECT_ID
TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return workflow


async def keep_terminating(url: str, work: "asyncio.Future[object]") -> int:
    """Ends every other connection of the database, again and again until `work` is done; how many it ended.

    More and more seldom: on a machine that is busy with other things, none would live long enough to get work done.
    """
    ended, pause = 0, 0.03
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while not work.done():
            cursor = await connection.execute(TERMINATE)
            row = await cursor.fetchone()
            ended += row[0] if row else 0
            await asyncio.sleep(pause)
            pause = min(1.05 * pause, 1.0)
    return ended


async def write_history(journal: PostgresJournal, execution_id: str, count: int) -> list[HistoryEvent]:
    """One event a write, then the end."""
    events = [HistoryEvent(n, n - 1, "TaskStateExited", now(), {"n": n}) for n in range(1, count + 1)]
    for event in events:
        await journal.write(execution_id, PROJECT, [event])
    await journal.write(execution_id, PROJECT, [], StatusChange(ExecutionStatus.SUCCEEDED, now(), result=count))
    return events


async def test_terminated_backends_cost_the_journal_nothing(stores: Stores, postgres_url: str, workflow: Workflow):
    requests = [new_request(workflow) for _ in range(16)]
    for request in requests:
        await stores.queue.submit(request)
    ids = [request.execution_id for request in requests]

    writing = asyncio.gather(*(write_history(stores.journal, execution_id, 60) for execution_id in ids))
    ended = await keep_terminating(postgres_url, writing)
    written = await writing

    assert ended > 0
    for execution_id, events in zip(ids, written, strict=True):
        assert await stores.executions.history(execution_id) == events
        execution = await stores.executions.get(PROJECT, execution_id)
        assert execution is not None
        assert (execution.status, execution.result) == (ExecutionStatus.SUCCEEDED, 60)


async def test_terminated_backends_cost_the_queue_nothing(stores: Stores, postgres_url: str, workflow: Workflow):
    requests = [new_request(workflow, idempotency_key=f"k{n // 2}", request_digest="d") for n in range(600)]

    async def submit() -> list[str]:
        accepted = []
        for start in range(0, len(requests), 6):
            group = requests[start : start + 6]
            accepted += await asyncio.gather(*(stores.queue.submit(request) for request in group))
        return [each.execution_id for each in accepted]

    submitting = asyncio.ensure_future(submit())
    ended = await keep_terminating(postgres_url, submitting)
    ids = await submitting

    assert ended > 0
    assert len(set(ids)) == 300
    found = set()
    cursor: str | None = None
    while True:
        page = await stores.executions.list(PROJECT, workflow_id=workflow.id, limit=200, cursor=cursor)
        found |= {execution.id for execution in page.items}
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == set(ids)


async def test_stores_come_back_after_their_connections_were_ended(
    stores: Stores, postgres_url: str, workflow: Workflow
):
    await asyncio.gather(*(stores.workflows.get(PROJECT, workflow.id) for _ in range(5)))
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await connection.execute(TERMINATE)

    found = await asyncio.gather(*(stores.workflows.get(PROJECT, workflow.id) for _ in range(5)))

    assert found == [workflow] * 5


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server with its real, durable settings, all to itself."""
    server = EmbeddedPostgres(tmp_path)
    migrate.run(await server.start())
    yield server
    await server.stop()


async def test_a_server_killed_between_writes_loses_no_write_that_returned(server: EmbeddedPostgres, tmp_path: Path):
    committed = asyncio.Semaphore(0)

    async def count(_: Sequence[str]) -> None:
        committed.release()

    journal = PostgresJournal(server.url, on_commit=count)
    engine = create_engine(server.url)
    ids = [new_id() for _ in range(8)]
    try:
        writing = asyncio.gather(*(write_history(journal, execution_id, 150) for execution_id in ids))
        for _ in range(2):
            for _ in range(30):
                await committed.acquire()
            assert not writing.done()
            os.kill(int((tmp_path / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            await server.stop()
            await server.start()
        written = await writing

        executions = PostgresExecutions(engine)
        for execution_id, events in zip(ids, written, strict=True):
            assert await executions.history(execution_id) == events
    finally:
        await journal.close()
        await engine.dispose()


async def test_a_server_that_stays_away_is_reported_in_the_end(server: EmbeddedPostgres):
    journal = PostgresJournal(server.url, patience_seconds=0.2)
    engine = create_engine(server.url)
    execution_id = new_id()
    await journal.write(execution_id, PROJECT, [])
    await server.stop()
    event = HistoryEvent(1, 0, "ExecutionStarted", now())

    with pytest.raises(StoreUnavailable):
        await journal.write(execution_id, PROJECT, [event])
    with pytest.raises(StoreUnavailable):
        await PostgresExecutions(engine).history(execution_id)

    await server.start()
    await journal.write(execution_id, PROJECT, [event])
    assert await PostgresExecutions(engine).history(execution_id) == [event]
    await journal.close()
    await engine.dispose()
