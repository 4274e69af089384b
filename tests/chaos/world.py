"""The stores, which outlive the stage here, the stage, and how each is killed."""

import contextlib
import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.adapters.local.embedded_valkey import EmbeddedValkey
from tests.support import stage as stages

WORKERS = 2


@dataclass
class World:
    """Everything that runs. The stores' folder needs a short path: then their sockets stay where they are."""

    folder: Path
    postgres: EmbeddedPostgres = field(init=False)
    valkey: EmbeddedValkey = field(init=False)
    stage: stages.Stage | None = None

    def __post_init__(self) -> None:
        self.postgres = EmbeddedPostgres(self.folder / "p")
        self.valkey = EmbeddedValkey(self.folder / "v")

    async def start(self) -> None:
        await self.postgres.start()
        await self.valkey.start()

    async def stop(self) -> None:
        if self.stage is not None and self.stage.process.poll() is None:
            self.stage.stop()
        await self.valkey.stop()
        await self.postgres.stop()

    def start_stage(self) -> stages.Stage:
        settings = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}
        port = str(stages.free_port())
        self.stage = stages.start(
            self.folder / "d",
            "--workers",
            str(WORKERS),
            MILLRACE_ALLOWED_HOSTS="127.0.0.1",
            MILLRACE_PORT=port,
            **settings,
        )
        return self.stage

    async def hurt(self, how: str) -> None:
        """One of HURTS."""
        await getattr(self, f"_{how}")()

    async def _kill_stage(self) -> None:
        assert self.stage is not None
        children = psutil.Process(self.stage.process.pid).children()
        self.stage.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=10)
        self.start_stage()

    async def _kill_worker(self) -> None:
        assert self.stage is not None
        children = [
            child
            for child in psutil.Process(self.stage.process.pid).children()
            if "local.child" in " ".join(child.cmdline())
        ]
        if children:
            random.choice(children).kill()

    async def _kill_postgres(self) -> None:
        url = self.postgres.url
        postmaster = int((self.folder / "p" / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        await self.postgres.stop()
        assert await self.postgres.start() == url

    async def _kill_valkey(self) -> None:
        url = self.valkey.url
        await self.valkey.stop()
        assert await self.valkey.start() == url

    async def _flush_valkey(self) -> None:
        async with Redis.from_url(self.valkey.url) as redis:
            with contextlib.suppress(RedisError):
                await redis.flushall()


HURTS = ("kill_stage", "kill_stage", "kill_worker", "kill_postgres", "kill_valkey", "flush_valkey")
"""The first is twice as likely as the others."""
