"""The further processes of `millrace up --workers N`: started, restarted where one dies, stopped with the host."""

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from local.child import READY
from shared.errors import ConfigInvalid
from shared.settings import Settings

RESTART_SECONDS = 1.0
_START_SECONDS = 60
_STOP_SECONDS = 15

log = logging.getLogger(__name__)


@asynccontextmanager
async def workers(settings: Settings, listener: socket.socket, *, worker: str, count: int) -> AsyncIterator[None]:
    """`count` processes, for the length of the block, that serve on the port of `listener` as the host does.

    Raises:
        ConfigInvalid: one did not start.
    """
    children = [_Child(_told(settings, listener, worker, number)) for number in range(1, count + 1)]
    try:
        await asyncio.gather(*(child.start() for child in children))
        yield
    finally:
        await asyncio.gather(*(child.stop() for child in children))


def _told(settings: Settings, listener: socket.socket, worker: str, number: int) -> dict[str, Any]:
    """What a child has to know; secrets go over a pipe, not through the environment."""
    plain = settings.model_dump(mode="json")
    for name in ("database_url", "redis_url", "encryption_keys"):
        secret = getattr(settings, name)
        plain[name] = None if secret is None else secret.get_secret_value()
    host, port = listener.getsockname()[:2]
    return {"settings": plain, "worker": f"{worker}#{number}", "number": number, "host": host, "port": port}


class _Child:
    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._launch()
        self._watching = asyncio.create_task(self._watch(), name=f"watch worker {self._told['number']}")

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _launch(self) -> None:
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "local.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        assert process.stdout is not None  # noqa: S101 - as above
        process.stdin.write(json.dumps(self._told).encode() + b"\n")
        answer = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        if answer != READY and await process.wait() >= 0:  # one that was killed is started again by the watch
            raise ConfigInvalid(f"Worker {self._told['number']} did not start; its log says why.")

    async def _watch(self) -> None:
        """What a dead worker held is taken up by the others when its leases end, or by the new one at once."""
        while True:
            assert self._process is not None  # noqa: S101 - for the type checker: it was launched
            code = await self._process.wait()
            log.error("a worker process ended; starting another", extra={"exit_code": code})
            await asyncio.sleep(RESTART_SECONDS)
            try:
                await self._launch()
            except (ConfigInvalid, TimeoutError, OSError):
                log.exception("a worker process could not be started; trying again")
