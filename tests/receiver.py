"""A stranger's program behind https, on loopback, and a network on which it counts as public."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from status.addresses import Network

CERTIFICATE = Path(__file__).with_name("receiver.pem")  # and its key; it is for HOST, and vouches for itself
HOST = "hooks.example.com"
OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"  # what tests take for a public address, and for a private one


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """Somebody's program behind https; `behave` answers in its own way, with status 200 unless told otherwise."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.received: list[Received] = []
        self.connections = 0
        self.closing = threading.Event()
        self.behave: Callable[[BaseHTTPRequestHandler], None] = answering(200)
        self.url = f"https://{HOST}:{self.server_address[1]}/hook?for=us"

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hangs up is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body))
        self.server.behave(self)

    def do_GET(self) -> None:
        self.server.behave(self)

    def log_message(self, *_arguments: object) -> None:
        """Tests are quiet."""


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


@contextmanager
def receiving(address: str) -> Iterator[Receiver]:
    with Receiver(address) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


# On which only OUTSIDE is public, and every name leads there
OPEN = Network(look_up=lambda host, port: [OUTSIDE], is_open=lambda ip: ip == OUTSIDE, authorities=str(CERTIFICATE))


def leading_to(*addresses: str) -> Network:
    """The same, but each look-up gives the next address."""
    answers = iter(addresses)
    return replace(OPEN, look_up=lambda host, port: [next(answers)])
