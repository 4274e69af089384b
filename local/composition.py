"""What the local stage is made of: which adapter stands behind each port, and in which order they start and stop."""

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from functions import migrate
from functions.api.app import create_app as create_api
from functions.api.deps import Deps as ApiDeps
from functions.nodes.agent import core as agent
from functions.nodes.http import core as http
from functions.nodes.tool import core as tool
from functions.webhook.app import create_app as create_receiver
from functions.webhook.deps import Deps as ReceiverDeps
from local.queue import LocalQueue
from local.tasks import InProcessLambdas
from local.wiring_schedules import scheduler
from local.worker import Worker
from shared.adapters.blobs import ObjectBlobs
from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.adapters.local.embedded_valkey import EmbeddedValkey
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.agents import PostgresAgentMemory, PostgresAgentTurns
from shared.adapters.postgres.backlog import PostgresBacklog
from shared.adapters.postgres.connections import PostgresConnections
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.journal import PostgresJournal
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.schedules import PostgresTriggerStates
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.adapters.redis import RedisLiveFeed, RedisResultCache
from shared.clock import SystemClock
from shared.connections.resolve import Connections
from shared.settings import Settings
from shared.workflow.node_lambda import NodeServices
from statemachines.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class _Stores:
    engine: AsyncEngine
    workflows: PostgresWorkflows
    triggers: PostgresTriggers
    executions: PostgresExecutions
    backlog: PostgresBacklog
    queue: PostgresQueue
    journal: PostgresJournal
    feed: RedisLiveFeed
    redis: Redis
    blobs: ObjectBlobs
    connections: PostgresConnections
    turns: PostgresAgentTurns
    memory: PostgresAgentMemory
    secrets: FernetBox


@asynccontextmanager
async def stage(settings: Settings) -> AsyncIterator[ASGIApp]:
    """The ASGI app of the whole stage, with its worker running; what started last stops first.

    Raises:
        ConfigInvalid: a setting is wrong, the data folder is in use, or a store does not start.
        StoreUnavailable: DATABASE_URL names a server that does not answer.
    """
    async with AsyncExitStack() as stack:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        database_url, redis_url = await _servers(stack, settings)
        await asyncio.to_thread(migrate.run, database_url)
        stores = _stores(stack, settings, database_url, redis_url)
        worker = await _worker(stack, settings, stores)
        yield _app(settings, stores, worker)


async def _servers(stack: AsyncExitStack, settings: Settings) -> tuple[str, str]:
    """URLs of the database and the cache: those of the settings, or of embedded servers that end with `stack`."""

    async def embedded(server: EmbeddedPostgres | EmbeddedValkey) -> str:
        url = await server.start()
        stack.push_async_callback(server.stop)
        return url

    async def given(url: str) -> str:
        return url

    database, cache = settings.database_url, settings.redis_url
    results = await asyncio.gather(
        given(database.get_secret_value()) if database else embedded(EmbeddedPostgres(settings.data)),
        given(cache.get_secret_value()) if cache else embedded(EmbeddedValkey(settings.data)),
        return_exceptions=True,  # so that both are waited for, and the one that did start is stopped
    )
    urls = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        urls.append(result)
    return urls[0], urls[1]


def _stores(stack: AsyncExitStack, settings: Settings, database_url: str, redis_url: str) -> _Stores:
    engine = create_engine(database_url)
    keys = settings.encryption_keys
    feed = RedisLiveFeed(redis_url)
    stores = _Stores(
        engine=engine,
        workflows=PostgresWorkflows(engine),
        triggers=PostgresTriggers(engine),
        executions=PostgresExecutions(engine),
        backlog=PostgresBacklog(engine),
        queue=PostgresQueue(database_url),
        journal=PostgresJournal(database_url, on_commit=feed.publish),
        feed=feed,
        redis=Redis.from_url(redis_url),
        blobs=ObjectBlobs(settings.blob_url or (settings.data / "blobs").resolve().as_uri()),
        connections=PostgresConnections(engine),
        turns=PostgresAgentTurns(engine),
        memory=PostgresAgentMemory(engine),
        secrets=FernetBox(keys.get_secret_value()) if keys else FernetBox.of_folder(settings.data),
    )
    closing = (engine.dispose, stores.redis.aclose, feed.close, stores.journal.close, stores.queue.close)
    for close in closing:
        stack.push_async_callback(close)
    return stores


async def _worker(stack: AsyncExitStack, settings: Settings, stores: _Stores) -> Worker:
    agents = agent.AgentDeps(settings.default_model, turns=stores.turns, memory=stores.memory)
    requests = http.http_deps(settings.allowed_hosts)
    tools = tool.tool_deps(settings.allowed_hosts)
    for deps in (agents, requests, tools):
        stack.push_async_callback(deps.aclose)
    lambdas = InProcessLambdas(
        {
            "${AgentFunctionArn}": partial(agent.run, deps=agents),
            "${HttpFunctionArn}": partial(http.run, deps=requests),
            "${ToolFunctionArn}": partial(tool.run, deps=tools),
        },
        NodeServices(
            blobs=stores.blobs,
            cache=RedisResultCache(stores.redis),
            connections=Connections(stores.connections, stores.secrets),
        ),
    )
    clock = SystemClock()
    worker = Worker(
        name=_worker_name(settings),
        interpreter=Interpreter(journal=stores.journal, runner=lambdas, clock=clock, histories=stores.executions),
        backlog=stores.backlog,
        journal=stores.journal,
        workflows=stores.workflows,
        clock=clock,
    )
    task = asyncio.create_task(worker.run(), name="worker")
    stack.push_async_callback(worker.stop)
    stack.push_async_callback(_ended, task)
    _start_scheduler(stack, stores, worker, lambdas)
    return worker


def _start_scheduler(stack: AsyncExitStack, stores: _Stores, worker: Worker, lambdas: InProcessLambdas) -> None:
    queue = LocalQueue(stores.queue, worker)
    timed = scheduler(stores.engine, runner=lambdas, blobs=stores.blobs, queue=queue, clock=SystemClock())
    stack.push_async_callback(_ended, asyncio.create_task(timed.run(), name="scheduler"))


def _worker_name(settings: Settings) -> str:
    """The same after a restart, so that what the process left is taken up at once."""
    return "local" if settings.database_url is None else f"{platform.node()}:{settings.data.resolve()}"


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _app(settings: Settings, stores: _Stores, worker: Worker) -> ASGIApp:
    """The receiver behind `/webhooks`, the API behind everything else."""
    queue, clock = LocalQueue(stores.queue, worker), SystemClock()
    receiver = create_receiver(ReceiverDeps(stores.triggers, queue, worker, stores.secrets, clock, settings))
    api = create_api(
        ApiDeps(
            workflows=stores.workflows,
            triggers=stores.triggers,
            executions=stores.executions,
            queue=queue,
            feed=stores.feed,
            blobs=stores.blobs,
            secrets=stores.secrets,
            connections=stores.connections,
            trigger_states=PostgresTriggerStates(stores.engine),
            clock=clock,
            settings=settings,
            probes={"database": partial(_ask_database, stores.engine), "cache": stores.redis.ping},
        )
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        webhook = scope["type"] == "http" and scope["path"].startswith("/webhooks/")
        await (receiver if webhook else api)(scope, receive, send)

    return app


async def _ask_database(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("select 1"))
