"""What the local stage is made of: which adapter stands behind each port, and in which order they start and stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from functions import migrate
from functions.api.app import create_app as create_api
from functions.api.deps import Deps as ApiDeps
from functions.webhook.app import create_app as create_receiver
from functions.webhook.deps import Deps as ReceiverDeps
from local.running import Running, start
from local.stores import Stores, open_stores
from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.adapters.local.embedded_valkey import EmbeddedValkey
from shared.clock import SystemClock
from shared.settings import Settings


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
        stores = open_stores(stack, settings, database_url, redis_url)
        yield _app(settings, stores, start(stack, settings, stores))


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


def _app(settings: Settings, stores: Stores, running: Running) -> ASGIApp:
    """The receiver behind `/webhooks`, the API behind everything else."""
    clock = SystemClock()
    receiver = create_receiver(
        ReceiverDeps(stores.triggers, running.queue, running.worker, stores.secrets, clock, settings)
    )
    api = create_api(
        ApiDeps(
            workflows=stores.workflows,
            triggers=stores.triggers,
            executions=stores.executions,
            queue=running.queue,
            completions=running.completions,
            tokens=running.tokens,
            feed=stores.feed,
            blobs=stores.blobs,
            secrets=stores.secrets,
            connections=stores.connections,
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
