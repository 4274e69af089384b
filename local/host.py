"""The one-process host of the local stage: stores, API, webhook receiver and worker in one event loop."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from logging.handlers import RotatingFileHandler
from typing import Any

import uvloop
from rich.console import Console

from local import composition, demo, web
from local.cli.credentials import KEY_FILE, key_of
from local.receiver import Receiver
from local.servers import servers, worker_name
from shared import observability
from shared.errors import ConfigInvalid
from shared.settings import Settings

_KEY_WORDS = """\
The owner's API key, shown this once: [bold]{key}[/]
It is kept in {file}, where the command line finds it; `millrace key` prints it.
"""
EXIT_OK, EXIT_FAILED = 0, 1
LOG_BYTES, LOG_FILES = 20 * 1024 * 1024, 4
"""The log is cut into files of this size, and the newest of them are kept."""


def serve(settings: Settings, *, with_demo: bool = False, once: bool = False, workers: int = 1) -> int:
    """Runs the local stage until Ctrl-C or, with `once`, until the demo is done; gives the process's exit code.

    `workers` is the number of processes that serve and run executions, this one included.

    The log goes to `log/millrace.jsonl` in the data folder, so that the terminal shows the demo alone.

    Raises:
        ConfigInvalid: the port is taken, the data folder is in use, or a store cannot be reached.
    """
    folder = settings.data / "log"
    folder.mkdir(parents=True, exist_ok=True)
    log = RotatingFileHandler(
        folder / "millrace.jsonl", maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
    )
    observability.configure(settings.log_level, log)
    return uvloop.run(_serve(settings, with_demo=with_demo, once=once, workers=workers))


async def _serve(settings: Settings, *, with_demo: bool, once: bool, workers: int) -> int:
    console = Console()
    stop = _stop_on_signals()
    listener = web.bind(settings.host, settings.port, shared=workers > 1)
    base_url = web.url_of(listener)
    known = key_of(settings.data)
    async with AsyncExitStack() as stack:
        receiver_url = await _receiver(stack) if with_demo else None
        if receiver_url:
            settings = _allowing(settings, receiver_url)
        with console.status("Starting PostgreSQL and Valkey …"):
            name = worker_name(settings)
            settings = await stack.enter_async_context(servers(settings))
            app = await stack.enter_async_context(composition.stage(settings, name))
            await stack.enter_async_context(web.serving(app, listener))
            await stack.enter_async_context(_more_workers(settings, listener, name, workers - 1))
        _settle_memory()
        console.print(
            f"[bold]Millrace[/] serves at {base_url}, for this machine only; its data is in {settings.data}\n"
        )
        if (key := key_of(settings.data)) != known:
            console.print(_KEY_WORDS.format(key=key, file=settings.data / KEY_FILE), soft_wrap=True, highlight=False)
        succeeded = True
        if receiver_url:
            succeeded = await _until(stop, demo.run_demo(base_url, receiver_url, settings.data, console))
        if not once:
            console.print("\nServing. Ctrl-C stops.")
            await stop.wait()
        console.print("Stopping …")
    return EXIT_OK if succeeded else EXIT_FAILED


def _more_workers(
    settings: Settings, listener: socket.socket, name: str, count: int
) -> contextlib.AbstractAsyncContextManager[None]:
    if count == 0:
        return contextlib.nullcontext()
    from local.workers import workers  # noqa: PLC0415 - most stages have none

    return workers(settings, listener, worker=name, count=count)


def _settle_memory() -> None:
    """What was loaded to start stays until the end: collections that walk it all stop every execution for 0.1 s."""
    gc.collect()
    gc.freeze()


async def _receiver(stack: AsyncExitStack) -> str:
    """Starts the loopback receiver at the address that the example names, or at a free one where that is taken."""
    try:
        listener = web.bind("127.0.0.1", demo.RECEIVER_PORT)
    except ConfigInvalid:
        listener = web.bind("127.0.0.1", 0)
    return await stack.enter_async_context(web.serving(Receiver(), listener))


def _allowing(settings: Settings, url: str) -> Settings:
    """Settings under which workflows may call `url`, although its address is private."""
    allowed = ",".join(filter(None, (settings.allowed_hosts, url.removeprefix("http://"))))
    return settings.model_copy(update={"allowed_hosts": allowed})


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, bool]) -> bool:
    """The work's result; False where a signal came first."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return False
