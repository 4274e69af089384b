"""A TCP proxy in front of the database that can be shut: connections through it break, and further ones are refused."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass
class Door:
    """In threads, since functions connect while the tests' event loop waits for a command."""

    to: str
    """The path of the database's socket."""
    port: int = 0
    _listener: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)

    def open(self) -> None:
        """Takes connections, at the port that it had before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Refuses connections, and breaks those there are."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self._listener.close()
            self._listener = None
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(inner,), daemon=True).start()

    def _serve(self, inner: socket.socket) -> None:
        with inner, socket.socket(socket.AF_UNIX) as outer:
            outer.connect(self.to)
            self._open |= {inner, outer}
            back = threading.Thread(target=_pump, args=(outer, inner), daemon=True)
            back.start()
            _pump(inner, outer)
            back.join()
            self._open -= {inner, outer}


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def in_front_of(url: str) -> Iterator[tuple[Door, str]]:
    """An open door to the database of a URL, and the URL that goes through it."""
    parts = urlsplit(url)
    door = Door(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    door.open()
    try:
        yield door, f"postgresql://{parts.username}@127.0.0.1:{door.port}{parts.path}"
    finally:
        door.shut()
