"""IngestCache on Redis or Valkey."""

import hashlib
import logging
from typing import Any

from redis.exceptions import RedisError

from shared.adapters.redis.client import Client
from shared.executions.records import Accepted
from shared.ports.ingest import IngestCache

_TARGET, _FIRST = "millrace:webhook:", "millrace:first:"

log = logging.getLogger(__name__)


class RedisIngest(IngestCache):
    """Names in it are digests: a path of a webhook is as good as a password."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def kept(self, path: str) -> bytes | None:
        """What was kept of a webhook's path."""
        found = await self._asked("get", _TARGET + _digest(path))
        return None if found is None else bytes(found)

    async def keep(self, path: str, document: bytes | None, seconds: int) -> None:
        """Keeps the document for so long; None forgets what was kept."""
        if document is None:
            await self._asked("delete", _TARGET + _digest(path))
        else:
            await self._asked("set", _TARGET + _digest(path), document, ex=seconds)

    async def first(self, key: str, accepted: Accepted, digest: str, seconds: int) -> tuple[Accepted, str]:
        """The first answer that was given to `key`; one command, so that of two at once one is the first."""
        mine = f"{accepted.execution_id} {digest}"
        found = await self._asked("set", _FIRST + _digest(key), mine, ex=seconds, nx=True, get=True)
        if found is None:
            return accepted, digest
        execution_id, _, earlier = bytes(found).decode().partition(" ")
        return Accepted(execution_id, duplicate=execution_id != accepted.execution_id), earlier

    async def forget_first(self, key: str) -> None:
        """The answer was never given."""
        await self._asked("delete", _FIRST + _digest(key))

    async def _asked(self, command: str, *arguments: Any, **options: Any) -> Any:
        try:
            return await getattr(self._redis, command)(*arguments, **options)
        except (RedisError, OSError) as error:
            log.warning("the cache of the ingest does not answer", extra={"reason": type(error).__name__})
            return None


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
