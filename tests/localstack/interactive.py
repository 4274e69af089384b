"""The whole product on LocalStack for people: `python -m tests.localstack.interactive`, until Ctrl-C.

LocalStack has neither RDS nor ElastiCache; an embedded PostgreSQL and Valkey take their place, as in the tests.
"""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.adapters.local.embedded_valkey import EmbeddedValkey
from tests.localstack import emulator
from tests.localstack.deployment import Deployment, deploy
from tests.localstack.emulator import Emulator

PORT = 4566


@asynccontextmanager
async def stores(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Their URLs, as the CDK takes them by context."""
    postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
    try:
        yield {"database_url": await postgres.start(), "redis_url": await valkey.start()}
    finally:
        await valkey.stop()
        await postgres.stop()


def running_in(folder: Path) -> AbstractContextManager[Emulator]:
    """The emulator of `LOCALSTACK_ENDPOINT`, or one that is started in `folder`."""
    found = emulator.given()
    return emulator.started(folder, PORT) if found is None else contextlib.nullcontext(found)


async def serve(folder: Path) -> None:
    """Starts all of it in `folder`, says how it is reached, and stays until it is interrupted."""
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    async with stores(folder / "stores") as urls:
        (folder / "deployment").mkdir()
        _say("LocalStack starts; then everything is deployed, which takes about two minutes …")
        with running_in(folder) as running:
            context = urls | {"allowed_hosts": "127.0.0.1", "default_model": "demo:triage"}
            made = await asyncio.to_thread(deploy, running, folder / "deployment", context)
            _say(_how(made, running, context))
            await interrupted.wait()


def _how(made: Deployment, running: Emulator, context: dict[str, str]) -> str:
    exports = running.environment | {"MILLRACE_URL": made.url.rstrip("/"), "MILLRACE_API_KEY": made.key}
    lines = "".join(f"  export {name}='{value}'\n" for name, value in exports.items())
    options = " ".join(f"-c '{name}={value}'" for name, value in context.items())
    return (
        f"Millrace answers at {made.url}; Ctrl-C ends it, and nothing of it stays. In another terminal:\n\n{lines}\n"
        "  millrace deploy examples/hello/workflow.yaml\n"
        '  millrace run hello --input \'{"name": "Ada", "hour": 9}\' --follow\n\n'
        f'and after a change of the code:\n\n  make deploy ENV=localstack CONTEXT="{options}"\n'
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Runs it in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="millrace-localstack-") as folder, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(folder)))


if __name__ == "__main__":
    main()
