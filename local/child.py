"""A further worker process of the local stage: API, webhooks and interpreter over the host's stores, on its port.

The host writes one line of JSON to its standard input and keeps that open: when the host is gone, so is this process.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from logging.handlers import RotatingFileHandler
from typing import Any

import uvloop

from local import composition, web
from local.host import LOG_BYTES, LOG_FILES
from shared import observability
from shared.settings import Settings

READY = b"ready\n"


def main() -> None:
    """Serves until SIGTERM, or until the host ends. Reads `{"settings", "worker", "number", "host", "port"}`."""
    told = json.loads(sys.stdin.buffer.readline())
    settings = Settings(**told["settings"])
    log = settings.data / "log" / f"millrace-{told['number']}.jsonl"
    handler = RotatingFileHandler(log, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8")
    observability.configure(settings.log_level, handler)
    uvloop.run(_serve(settings, told))


async def _serve(settings: Settings, told: dict[str, Any]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the host says when to stop
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    listener = web.bind(told["host"], told["port"], shared=True)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(composition.stage(settings, told["worker"]))
        await stack.enter_async_context(web.serving(app, listener))
        gc.collect()
        gc.freeze()
        os.write(sys.stdout.fileno(), READY)
        await stop.wait()
        loop.remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    main()
