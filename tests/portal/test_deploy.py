"""The front server of production: the real nginx with the shipped configuration."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from status.publication import files, prefixes
from tests.front import ask, front, settle
from tests.portal.two_pages import DOCUMENTS, SECOND, SHOWN_AT, Web
from tests.servers import Server, free_port
from tests.waiting import stretched

pytestmark = pytest.mark.nginx


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, two_pages: Path, web: Web) -> Iterator[str]:
    shorter = {"proxy_read_timeout 6s;": "proxy_read_timeout 500ms;"}
    folder = tmp_path_factory.mktemp("nginx")
    nginx = front(folder, two_pages, web_port=web.server_address[1], changes=shorter)
    nginx.start()
    yield nginx.url
    nginx.stop()


@pytest.fixture
def lonely(tmp_path: Path, two_pages: Path) -> Iterator[Server]:
    """A front server without a web process behind it."""
    nginx = front(tmp_path, two_pages, web_port=free_port())
    nginx.start()
    yield nginx
    nginx.stop()


@pytest.mark.parametrize(("path", "file_and_type"), SHOWN_AT.items())
def test_each_address_is_its_file_plain_or_compressed(url: str, path: str, file_and_type: tuple[str, str]) -> None:
    file, content_type = file_and_type
    plain = ask(url, path)
    assert (plain.status, plain.headers["content-type"], plain.body) == (200, content_type, DOCUMENTS[file])
    assert "content-encoding" not in plain.headers
    compressed = ask(url, path, accept_encoding="br, gzip")
    assert compressed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed.body) == plain.body
    assert compressed.headers["content-type"] == content_type
    assert {plain.headers["vary"], compressed.headers["vary"]} == {"Accept-Encoding"}
    assert plain.headers["etag"] != compressed.headers["etag"]


def test_what_the_reader_has_already_is_not_sent_again(url: str) -> None:
    etag = ask(url, "/", accept_encoding="gzip").headers["etag"]
    again = ask(url, "/", accept_encoding="gzip", if_none_match=etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert again.headers["cache-control"] == "no-cache"


def test_assets_are_kept_for_a_year_and_everything_else_is_asked_for_each_time(url: str) -> None:
    assert ask(url, "/assets/status.0123abcd.css").headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/", "/history", "/api/v2/summary.json", "/history.atom", "/heartbeat.json", "/assets/gone.css"):
        assert ask(url, path).headers["cache-control"] == "no-cache"


def test_scripts_of_other_sites_may_read_the_json_and_the_feeds_but_no_page(url: str) -> None:
    files = ("/history.atom", "/history.rss", "/heartbeat.json", "/badge.svg", "/embed.js", "/data/2023-01.ndjson")
    for path in ("/api/v2/summary.json", "/api/v2/nothing.json", *files):
        assert ask(url, path).headers["access-control-allow-origin"] == "*"
    for path in ("/", "/history", "/incidents/x9y8z7x6y5z4"):
        assert "access-control-allow-origin" not in ask(url, path).headers


@pytest.mark.parametrize(
    "path", ["/api/v2/summary.json", "/history.rss", "/badge.svg", "/embed.js", "/data/2023-01.ndjson"]
)
def test_other_sites_may_ask_whether_something_is_new(url: str, path: str) -> None:
    whole, head = ask(url, path), ask(url, path, "HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", whole.headers["etag"])
    again = ask(url, path, if_none_match=whole.headers["etag"], origin="https://shop.example")
    assert (again.status, again.body) == (304, b"")
    assert {each.headers["access-control-allow-origin"] for each in (whole, head, again)} == {"*"}


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v2/summary.json", "/assets/status.0123abcd.css"])
def test_every_file_comes_with_strict_headers(url: str, path: str) -> None:
    headers = ask(url, path).headers
    assert headers["content-security-policy"].startswith("default-src 'none';")
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
    assert headers["server"] == "nginx"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/incidents",
        "/incidents/",
        "/incidents/nothing",
        "/api/v2/nothing.json",
        "/assets/nothing.css",
        "/administration",
        "/index.html.gz",
        "/.lock",
        "/.state.json",
        "/%2estate.json",
        "/incidents/.x9y8z7x6y5z4.html.77.tmp",
    ],
)
def test_what_is_not_a_document_is_the_pages_own_404(url: str, path: str) -> None:
    answer = ask(url, path)
    assert (answer.status, answer.body) == (404, DOCUMENTS["404.html"])
    assert gzip.decompress(ask(url, path, accept_encoding="gzip").body) == DOCUMENTS["404.html"]


def test_no_path_leads_out_of_the_page(url: str) -> None:
    for path in ("/../pages/" + SECOND + "/index.html", "/%2e%2e/", "/assets/../../../etc/passwd", "//etc/passwd"):
        assert ask(url, path).status in {400, 404} or ask(url, path).body == DOCUMENTS["index.html"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_files_can_only_be_read(url: str, method: str) -> None:
    assert ask(url, "/api/v2/summary.json", method).status == 405
    assert ask(url, "/", "HEAD").status == 200


def test_a_host_name_chooses_its_page_and_any_other_name_the_default(url: str) -> None:
    for host in ("second.example.com", "SECOND.example.com", "second.example.com:8443"):
        assert b"The second page" in ask(url, "/", host=host).body
    for host in ("first.example.com", "unknown.example.com", "127.0.0.1", "_default", "pages"):
        assert ask(url, "/", host=host).body == DOCUMENTS["index.html"]
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=stretched(5)) as nameless:
        nameless.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert nameless.makefile("rb").read().endswith(DOCUMENTS["index.html"])
    for host in ("../pages/" + SECOND, "..", "a/b"):
        assert ask(url, "/", host=host).status == 400


def test_a_replaced_file_is_seen_at_once_also_when_its_size_and_second_are_the_same(url: str, two_pages: Path) -> None:
    third = two_pages / "pages" / "m1n2p3q4r5s6"
    files.write(third, {"index.html": b"<p>Partial outage A</p>"})
    (two_pages / "hosts" / "third.example.com").symlink_to(third)
    for letter in b"BCD":
        before = ask(url, "/", host="third.example.com")
        files.write(third, {"index.html": b"<p>Partial outage %c</p>" % letter})
        after = ask(url, "/", host="third.example.com", if_none_match=before.headers["etag"])
        assert (after.status, after.body) == (200, b"<p>Partial outage %c</p>" % letter)


@pytest.mark.parametrize(
    ("host", "path", "status", "body"),
    [
        ("deleted.example.com", "/", 410, b"<p>It is gone.</p>"),
        ("deleted.example.com", "/incidents/x9y8z7x6y5z4", 410, b"<p>It is gone.</p>"),
        ("deleted.example.com", "/history.atom", 410, b"<p>It is gone.</p>"),
        ("deleted.example.com", "/.gone.html", 410, b"<p>It is gone.</p>"),
        ("deleted.example.com", "/api/v2/summary.json", 410, b'{"error": "Gone."}'),
        ("deleted.example.com", "/api/v2/summary.json?a=b", 410, b'{"error": "Gone."}'),
        ("nobody.example.com", "/", 404, b"<p>There is no status page here.</p>"),
        ("nobody.example.com", "/api/v2/summary.json", 404, b"<p>There is no status page here.</p>"),
    ],
)
def test_no_name_shows_another_page_than_its_own(
    url: str, two_pages: Path, client: Client, settings: Settings, host: str, path: str, status: int, body: bytes
) -> None:
    settings.PUBLICATION_ROOT = two_pages
    for encoding in ("identity", "gzip"):
        front_answer = ask(url, path, host=host, accept_encoding=encoding)
        plain = gzip.decompress(front_answer.body) if encoding == "gzip" else front_answer.body
        assert (front_answer.status, plain) == (status, body)
        answer = client.get(path, headers={"host": host, "accept-encoding": encoding})
        assert (answer.status_code, answer.content) == (status, front_answer.body)
        for name in ("content-type", "content-encoding", "cache-control"):
            assert answer.get(name) == front_answer.headers.get(name), name


@pytest.mark.parametrize("path", [*SHOWN_AT, "/history/", "/nothing", "/.state.json"])
def test_the_embedded_server_answers_as_the_front_does(
    url: str, two_pages: Path, client: Client, settings: Settings, path: str
) -> None:
    settings.PUBLICATION_ROOT = two_pages
    for encoding in ("identity", "gzip"):
        front_answer = ask(url, path, accept_encoding=encoding)
        answer = client.get(path, headers={"accept-encoding": encoding})
        assert (answer.status_code, answer.content) == (front_answer.status, front_answer.body)
        for name in ("content-type", "content-encoding", "content-security-policy", "x-content-type-options", "vary"):
            assert answer.get(name) == front_answer.headers.get(name), name
        for name in ("cache-control", "access-control-allow-origin", "referrer-policy"):
            assert answer.get(name) == front_answer.headers.get(name), name


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/login/?next=/admin/",
        "/api/v1/pages.json",
        "/api/schema",
        "/api/docs",
        "/static/admin/css/base.css",
        "/healthz",
        "/readyz",
        "/demo/mail",
    ],
)
def test_what_staff_and_programs_use_is_the_web_processs(url: str, web: Web, path: str) -> None:
    assert prefixes.is_for_staff_or_programs(path.partition("?")[0])  # the embedded server agrees on whose it is
    answer = ask(url, path, "POST", host="portal.example.com", x_forwarded_proto="https", x_forwarded_for="192.0.2.7")
    assert (answer.status, answer.body) == (200, b"from the web process")
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert "cache-control" not in answer.headers
    seen = web.seen[-1]
    assert (seen.method, seen.path, seen.headers["host"]) == ("POST", path, "portal.example.com")
    assert seen.headers["x-forwarded-proto"] == "https"
    assert seen.headers["x-forwarded-for"] == "192.0.2.7, 127.0.0.1"


@pytest.mark.parametrize(
    ("decided", "passed"),
    [
        ({"LISTEN": "127.0.0.1:8080", "TRUSTED_PROXIES": ""}, "192.0.2.7, 127.0.0.1"),  # a proxy on this host
        ({"LISTEN": "0.0.0.0:8080", "TRUSTED_PROXIES": "198.51.100.4"}, "192.0.2.7, 127.0.0.1"),  # one elsewhere
        ({"LISTEN": "0.0.0.0:8080", "TRUSTED_PROXIES": ""}, "127.0.0.1"),  # none: strangers come here
    ],
)
def test_a_stranger_chooses_no_address(
    tmp_path: Path, two_pages: Path, web: Web, decided: dict[str, str], passed: str
) -> None:
    settle(tmp_path, HSTS="", **decided)
    nginx = front(tmp_path, two_pages, web_port=web.server_address[1])
    nginx.start()
    ask(nginx.url, "/api/v1/pages", x_forwarded_for="192.0.2.7")
    nginx.stop()
    assert web.seen[-1].headers["x-forwarded-for"] == passed


def test_the_web_processs_own_503_passes_as_it_is(url: str) -> None:
    assert ask(url, "/api/v1/away") == (503, ask(url, "/api/v1/away").headers, b"from the web process")


@pytest.mark.slow
@pytest.mark.parametrize("happens", ["silent", "dies"])
def test_what_may_have_been_done_is_not_called_undone_and_asked_only_once(url: str, web: Web, happens: str) -> None:
    for path in (f"/admin/{happens}", f"/subscribe/{happens}"):
        answer = ask(url, path, "POST")
        assert (answer.status, "retry-after" in answer.headers) == (504, False)
        assert b"It may have been saved" in answer.body
        assert len([seen for seen in web.seen if seen.path == path]) == 1
    answer = ask(url, f"/api/v1/{happens}", "POST")
    assert answer.status == 504
    assert "Look before you send it again" in json.loads(answer.body)["error"]
    for path in (f"/admin/{happens}", f"/api/v1/{happens}"):
        assert (ask(url, path).status, ask(url, path, "HEAD").status) == (503, 503), "who only reads may try again"


def test_without_a_web_process_the_pages_are_served_and_the_rest_says_so(lonely: Server) -> None:
    assert ask(lonely.url, "/").body == DOCUMENTS["index.html"]
    for path in ("/admin/", "/static/admin/css/base.css"):
        answer = ask(lonely.url, path, "POST")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5"), "it was sent nothing"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert b"does not answer" in answer.body
    for path in ("/api/v1/pages.json", "/healthz", "/readyz"):
        answer = ask(lonely.url, path, "POST")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "does not answer" in json.loads(answer.body)["error"]


def test_the_front_starts_while_the_name_of_the_web_process_is_unknown(tmp_path: Path, two_pages: Path) -> None:
    name = {f"http://127.0.0.1:{9}": "http://web.invalid:8000", "resolver_timeout 2s;": "resolver_timeout 200ms;"}
    resolver = {"resolver 127.0.0.11 ": f"resolver 127.0.0.1:{free_port()} "}
    nginx = front(tmp_path, two_pages, web_port=9, changes={**name, **resolver})
    nginx.start()
    try:
        assert ask(nginx.url, "/").status == 200
        assert ask(nginx.url, "/admin/", "POST").status == 503
    finally:
        nginx.stop()
