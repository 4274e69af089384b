"""The embedded Valkey: starting, crashing, coming back."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis, RedisError

from shared.adapters.local.embedded_valkey import EmbeddedValkey
from shared.errors import ConfigInvalid

ROOT = Path(__file__).parents[2]

START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from shared.adapters.local.embedded_valkey import EmbeddedValkey

async def main():
    print(await EmbeddedValkey(Path(sys.argv[1])).start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def answers(url: str) -> bool:
    with Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


async def test_it_listens_on_its_socket_only_and_keeps_nothing(tmp_path: Path):
    server = EmbeddedValkey(tmp_path / "data")
    try:
        url = await server.start()
        with Redis.from_url(url, decode_responses=True) as client:
            settings = client.config_get("*")
            client.set("key", "value")
        await server.stop()
        await server.start()
        with Redis.from_url(url) as client:
            assert client.get("key") is None
    finally:
        await server.stop()

    assert (settings["port"], settings["save"], settings["appendonly"]) == ("0", "", "no")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"valkey.lock", "valkey.log"}


async def test_a_second_server_on_one_folder_is_refused(tmp_path: Path):
    server = EmbeddedValkey(tmp_path)
    try:
        url = await server.start()
        with pytest.raises(ConfigInvalid, match="in use by process"):
            await EmbeddedValkey(tmp_path).start()
        assert answers(url)
    finally:
        await server.stop()


async def test_a_killed_server_starts_again(tmp_path: Path):
    server = EmbeddedValkey(tmp_path)
    try:
        url = await server.start()
        server._process.send_signal(signal.SIGKILL)
        await server.stop()
        assert (tmp_path / "valkey.sock").exists()
        await server.start()
        assert answers(url)
    finally:
        await server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
async def test_it_ends_with_its_process(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    url = (await asyncio.to_thread(process.stdout.readline)).strip()
    assert answers(url)

    process.kill()
    process.communicate()

    while answers(url):
        await asyncio.sleep(0.01)


async def test_a_server_left_behind_is_replaced(tmp_path: Path):
    """Where nothing ends it with its process."""
    left = EmbeddedValkey(tmp_path)
    with Redis.from_url(await left.start()) as client:
        old = client.info("server")["run_id"]
    left._lock.release()
    server = EmbeddedValkey(tmp_path)
    try:
        with Redis.from_url(await server.start()) as client:
            assert client.info("server")["run_id"] != old
        assert await asyncio.to_thread(left._process.wait) == 0
    finally:
        await server.stop()
        await left.stop()


async def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path):
    server = EmbeddedValkey(tmp_path / ("long-" * 20))
    try:
        assert answers(await server.start())
    finally:
        await server.stop()
