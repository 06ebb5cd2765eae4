"""A folder of published pages, and what stands where the web process does, behind a front server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from status.publication import files

FIRST, SECOND, DELETED = "b1c2d3f4g5h6", "q1r2s3t4v5w6", "d1f2g3h4j5k6"
DOCUMENTS = {
    "index.html": b"<p>All Systems Operational</p>",
    "404.html": b"<p>There is no such page.</p>",
    "history.html": b"<p>History</p>",
    "history/2023-01.html": b"<p>January 2023</p>",
    "incidents/x9y8z7x6y5z4.html": b"<p>The incident</p>",
    "fragments/summary.html": b"<p>A fragment</p>",
    "api/v2/summary.json": b'{"status": {}}',
    "api/v2/incidents/unresolved.json": b'{"incidents": []}',
    "history.atom": b"<feed/>",
    "history.rss": b"<rss/>",
    "assets/status.0123abcd.css": b"p { margin: 0 }",
    "assets/status.0123abcd.js": b"'use strict'",
    "assets/ok.0123abcd.svg": b"<svg/>",
    "badge.svg": b"<svg/>",
    "embed.js": b"'use strict'",
    "data/2023-01.ndjson": b"{}",
}

SHOWN_AT = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/incidents/x9y8z7x6y5z4": ("incidents/x9y8z7x6y5z4.html", "text/html; charset=utf-8"),
    "/history": ("history.html", "text/html; charset=utf-8"),
    "/history/2023-01": ("history/2023-01.html", "text/html; charset=utf-8"),
    "/fragments/summary.html": ("fragments/summary.html", "text/html; charset=utf-8"),
    "/api/v2/summary.json": ("api/v2/summary.json", "application/json; charset=utf-8"),
    "/api/v2/incidents/unresolved.json": ("api/v2/incidents/unresolved.json", "application/json; charset=utf-8"),
    "/history.atom": ("history.atom", "application/atom+xml; charset=utf-8"),
    "/history.rss": ("history.rss", "application/rss+xml; charset=utf-8"),
    "/assets/status.0123abcd.css": ("assets/status.0123abcd.css", "text/css; charset=utf-8"),
    "/assets/status.0123abcd.js": ("assets/status.0123abcd.js", "text/javascript; charset=utf-8"),
    "/assets/ok.0123abcd.svg": ("assets/ok.0123abcd.svg", "image/svg+xml"),
    "/badge.svg": ("badge.svg", "image/svg+xml"),
    "/embed.js": ("embed.js", "text/javascript; charset=utf-8"),
    "/data/2023-01.ndjson": ("data/2023-01.ndjson", "application/x-ndjson; charset=utf-8"),
}


class Seen(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]


class Web(ThreadingHTTPServer):
    """Stands where the web process does; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), WebHandler)
        self.seen: list[Seen] = []
        self.closing = threading.Event()


class WebHandler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        if self.path.endswith("/silent"):
            self.server.closing.wait()
        if self.path.endswith("/dies"):
            return
        self.send_response(503 if self.path == "/api/v1/away" else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.end_headers()
        self.wfile.write(b"from the web process")

    do_HEAD = do_POST = do_GET

    def log_message(self, *_args: Any) -> None:
        """Tests are quiet."""


@pytest.fixture(scope="module")
def two_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("public")
    files.write(root / "pages" / FIRST, DOCUMENTS)
    files.write(root / "pages" / SECOND, {**DOCUMENTS, "index.html": b"<p>The second page</p>"})
    files.replace(root / "pages" / FIRST / "heartbeat.json", b"{}")
    for hidden in (".lock", ".state.json", "incidents/.x9y8z7x6y5z4.html.77.tmp"):
        files.replace(root / "pages" / FIRST / hidden, b"never served")
    files.write(root / "pages" / DELETED, {".gone.html": b"<p>It is gone.</p>", ".gone.json": b'{"error": "Gone."}'})
    files.write(root / "nobody", {"404.html": b"<p>There is no status page here.</p>"})
    (root / "hosts").mkdir()
    pages = {
        "_default": FIRST,
        "first.example.com": FIRST,
        "second.example.com": SECOND,
        "deleted.example.com": DELETED,
    }
    for host, public_id in pages.items():
        (root / "hosts" / host).symlink_to(f"../pages/{public_id}")
    (root / "hosts" / "nobody.example.com").symlink_to("../nobody")
    return root


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()
