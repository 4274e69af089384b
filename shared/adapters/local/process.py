"""Server processes of the local stage: starting one, waiting for it, stopping it; their folders and sockets."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shared.errors import ConfigInvalid

MAX_SOCKET_PATH = 107
"""Bytes of `sun_path` without its final NUL, on Linux; macOS has 103. Source: unix(7)."""

_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL_SECONDS = 0.01
_LOG_LINES = 15


def launch(
    command: Sequence[str],
    *,
    log: Path,
    account: tuple[int, int] | None = None,
    end_signal: signal.Signals | None = None,
) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own, so that Ctrl-C reaches only us; its output is appended to `log`.

    `account` is the (uid, gid) to run as, which only root can choose. With `end_signal` it gets that signal when the
    calling *thread* ends, so call from a thread that lives as long as the server should: the one of the event loop.
    """
    arguments = ["--account", *map(str, account)] if account else []
    if end_signal is not None:
        arguments += ["--end-with-parent", str(int(end_signal)), str(os.getpid())]
    with open(log, "ab", opener=_private) as output:
        return subprocess.Popen(  # noqa: S603 - our own launcher and programs of our own dependencies
            [sys.executable, "-I", "-S", str(_LAUNCHER), *arguments, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},  # PGOPTIONS and the like would change the server
            start_new_session=True,
        )


def _private(path: str, flags: int) -> int:
    """A statement in a log may hold what nobody else should read."""
    return os.open(path, flags, 0o600)


async def until_ready(process: subprocess.Popen[bytes], ready: Callable[[], bool], seconds: float) -> bool:
    """Waits until `ready` is true; False where the process ends before, or the time is up."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not ready():
        if process.poll() is not None or asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


async def until_gone(gone: Callable[[], bool], seconds: float) -> bool:
    """Waits until `gone` is true; False where the time is up."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not gone():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


async def stop(process: subprocess.Popen[bytes], signals: Sequence[signal.Signals], seconds: float) -> None:
    """Sends the signals one after the other, giving each `seconds` to work, until the process has ended."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
        if await until_gone(lambda: process.poll() is not None, seconds):
            return


def last_lines(log: Path) -> str:
    """The end of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    except OSError:
        return "(no log)"


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Says in words what keeps us from using the data folder. Raises ConfigInvalid."""
    try:
        yield
    except OSError as error:
        raise ConfigInvalid(
            f"The data folder {folder} cannot be used: {error.strerror} ({error.filename or 'no file'}). "
            "Run as the user who owns it, or set another folder with MILLRACE_DATA."
        ) from error


class FolderLock:
    """Keeps a second process away from a folder while this one lives; the kernel frees it, even on SIGKILL."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises ConfigInvalid, which names the process that has the folder."""
        file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise ConfigInvalid(
                f"The data folder {self._folder} is in use by process {holder}. "
                "Stop that process, or set another folder with MILLRACE_DATA."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class SocketFolder:
    """Where a server puts its Unix socket: `preferred`, or a new private folder where that path would be too long."""

    def __init__(self, preferred: Path, name: str) -> None:
        self._name = name
        self._temporary = len(os.fsencode(preferred / name)) > (MAX_SOCKET_PATH if sys.platform == "linux" else 103)
        self.path = Path(tempfile.mkdtemp(prefix="millrace-")) if self._temporary else preferred

    @property
    def socket(self) -> Path:
        return self.path / self._name

    def remove(self) -> None:
        """Removes the folder if it was made for the socket alone."""
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
