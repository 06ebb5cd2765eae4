"""The other fronts that are shipped, each served by the real program: they answer as the containers' nginx does."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import fronts
from tests.front import ask, front
from tests.portal.two_pages import SHOWN_AT, Web
from tests.servers import free_port, program

NAMES = ("first.example.com", "second.example.com", "deleted.example.com", "nobody.example.com", "portal.example.com")
CADDY = pytest.mark.skipif(not program("caddy") and "CI" not in os.environ, reason="no caddy: apt-get install caddy")

pytestmark = pytest.mark.nginx


@pytest.fixture(scope="module", params=["site", "pod", pytest.param("caddy", marks=CADDY)])
def other(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, two_pages: Path, web: Web
) -> Iterator[str]:
    folder, web_port = tmp_path_factory.mktemp("other"), web.server_address[1]
    server = {
        "site": lambda: fronts.site(folder, two_pages, NAMES, web_port=web_port, tls_port=free_port()),
        "pod": lambda: fronts.pod(folder, two_pages, web_port=web_port),
        "caddy": lambda: fronts.caddy(folder, two_pages, NAMES, web_port=web_port),
    }[request.param]()
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, two_pages: Path, web: Web) -> Iterator[str]:
    nginx = front(tmp_path_factory.mktemp("nginx"), two_pages, web_port=web.server_address[1])
    nginx.start()
    yield nginx.url
    nginx.stop()


PATHS = [
    *SHOWN_AT,
    *("/heartbeat.json", "/history/", "/nothing", "/incidents", "/incidents/nothing", "/api/v2/nothing.json"),
    *("/assets/nothing.css", "/index.html.gz", "/.lock", "/%2estate.json", "/.gone.html"),
    "/incidents/.x9y8z7x6y5z4.html.77.tmp",
]
HEADERS = (
    *("content-type", "content-encoding", "cache-control", "access-control-allow-origin"),
    *("content-security-policy", "x-content-type-options", "referrer-policy"),
)


@pytest.mark.parametrize("host", NAMES)
def test_readers_are_answered_alike(other: str, shipped: str, host: str) -> None:
    for path in PATHS:
        for encoding in ("identity", "gzip"):
            found, meant = (ask(url, path, host=host, accept_encoding=encoding) for url in (other, shipped))
            assert (found.status, unpacked(found.body)) == (meant.status, unpacked(meant.body)), path
            for name in HEADERS:
                assert (found.headers.get(name) or "") == (meant.headers.get(name) or ""), (path, name)


def unpacked(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def test_what_the_reader_has_is_not_sent_again_and_nothing_can_be_written(other: str) -> None:
    etag = ask(other, "/", host=NAMES[0]).headers["etag"]
    again = ask(other, "/", host=NAMES[0], if_none_match=etag)
    assert (again.status, again.body) == (304, b"")
    for method in ("POST", "PUT", "DELETE"):
        assert ask(other, "/api/v2/summary.json", method, host=NAMES[0]).status == 405


def test_the_rest_is_the_web_processs_which_is_told_who_calls(other: str, web: Web) -> None:
    answer = ask(other, "/api/v1/pages.json?a=b", "POST", host="portal.example.com", x_forwarded_for="192.0.2.7")
    assert (answer.status, answer.body) == (200, b"from the web process")
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    seen = web.seen[-1]
    assert (seen.method, seen.path, seen.headers["host"]) == ("POST", "/api/v1/pages.json?a=b", "portal.example.com")
    assert seen.headers["x-forwarded-for"] == "127.0.0.1", "not what a stranger says"


def test_what_may_have_been_done_is_not_called_undone(other: str) -> None:
    answer = ask(other, "/admin/dies", "POST", host="portal.example.com")
    assert (answer.status, b"It may have been saved" in answer.body) == (504, True)
    assert ask(other, "/admin/dies", host="portal.example.com").status == 503
