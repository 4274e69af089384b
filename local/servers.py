"""The servers that the local stage stands on: those that the settings name, or embedded ones."""

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from functions import migrate
from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.adapters.local.embedded_valkey import EmbeddedValkey
from shared.settings import Settings


@asynccontextmanager
async def servers(settings: Settings) -> AsyncIterator[Settings]:
    """Settings that name a database, migrated, and a cache; embedded servers run for the length of the block.

    Raises:
        ConfigInvalid: the data folder is in use, or a server does not start.
        StoreUnavailable: DATABASE_URL names a server that does not answer.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        database_url, redis_url = await _urls(stack, settings)
        await asyncio.to_thread(migrate.run, database_url)
        urls = {"database_url": SecretStr(database_url), "redis_url": SecretStr(redis_url)}
        yield settings.model_copy(update=urls)


def worker_name(settings: Settings) -> str:
    """The same after a restart, so that what the process left is taken up at once."""
    return "local" if settings.database_url is None else f"{platform.node()}:{settings.data.resolve()}"


async def _urls(stack: AsyncExitStack, settings: Settings) -> tuple[str, str]:
    """URLs of the database and the cache; embedded servers end with `stack`."""

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
