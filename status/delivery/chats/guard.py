"""A proxy that lives as long as one message: the only way out of the process in which Apprise runs.

It looks each name up, checks every address and dials the one that it has checked, the same as for webhooks. What goes
through it is encrypted, for whom the certificate names.
"""

from __future__ import annotations

import base64
import secrets
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

from status.addresses import Network, Refused, parse

TIMEOUT = 30.0  # seconds for one message
AT_MOST = 1024 * 1024  # bytes through one connection


class Guard(ThreadingTCPServer):
    """Takes CONNECT from whoever knows its password, and connects to the address that was checked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, network: Network) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.network = network
        self.deadline = time.monotonic() + TIMEOUT
        self.password = secrets.token_urlsafe(16)
        self.refusals: list[str] = []

    @property
    def address(self) -> str:
        return f"http://portal:{self.password}@127.0.0.1:{self.server_address[1]}"


class _Tunnel(StreamRequestHandler):
    server: Guard
    timeout = TIMEOUT

    def handle(self) -> None:
        request, *headers = self._request_head()
        credentials = base64.b64encode(f"portal:{self.server.password}".encode()).decode()
        method, authority, *_version = [*request.split(), "", ""]
        if f"proxy-authorization: basic {credentials}".lower() not in {line.lower() for line in headers}:
            return self._reply(407)
        if method != "CONNECT":
            return self._reply(405)
        try:
            target = self.server.network.dial(parse(f"https://{authority}/"), deadline=self.server.deadline)
        except (Refused, OSError) as error:
            self.server.refusals.append(str(error))
            return self._reply(403)
        with target:
            self._reply(200)
            self._pass_on(target)
        return None

    def _request_head(self) -> list[str]:
        lines: list[str] = []
        while len(lines) < 100 and (line := self.rfile.readline(8192).decode("latin-1").strip()):
            lines.append(line)
        return lines or [""]

    def _reply(self, status: int) -> None:
        self.wfile.write(f"HTTP/1.1 {status} -\r\n\r\n".encode())

    def _pass_on(self, target: socket.socket) -> None:
        """Both ways, until either side hangs up, or it was too much or too long."""
        client, left = self.connection, AT_MOST
        with suppress(OSError):
            while left > 0 and (timeout := self.server.deadline - time.monotonic()) > 0:
                for source in select.select([client, target], [], [], timeout)[0]:
                    if not (content := source.recv(min(left, 65536))):
                        return
                    left -= len(content)
                    (target if source is client else client).sendall(content)


@contextmanager
def guarding(network: Network) -> Iterator[Guard]:
    with Guard(network) as guard:
        thread = threading.Thread(target=guard.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield guard
        finally:
            guard.shutdown()
            thread.join()
