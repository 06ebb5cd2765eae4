"""A TCP forwarder that a test may turn into a black hole: an address from which nobody answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Forwarder:
    """Forwards 127.0.0.1:`port` to another port; while `is_black_hole`, nothing passes and nothing is refused."""

    def __init__(self, listener: socket.socket, target: int) -> None:
        self._open = threading.Event()
        self._open.set()
        self.port: int = listener.getsockname()[1]
        self._listener, self._target = listener, target

    @property
    def is_black_hole(self) -> bool:
        return not self._open.is_set()

    @is_black_hole.setter
    def is_black_hole(self, is_so: bool) -> None:
        (self._open.clear if is_so else self._open.set)()

    def run(self) -> None:
        with suppress(OSError):  # the listener is closed when the test is over
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self._hold()
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._hold()
                sink.sendall(data)
        self._hold()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def _hold(self) -> None:
        self._open.wait()


@contextmanager
def forward(target: int) -> Iterator[Forwarder]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        forwarder = Forwarder(listener, target)
        thread = threading.Thread(target=forwarder.run, daemon=True)
        thread.start()
        yield forwarder
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
    thread.join()
