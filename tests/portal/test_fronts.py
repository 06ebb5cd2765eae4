"""The other fronts that are shipped, each served by the real program: they answer as the containers' nginx does."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
import yaml

from tests.front import SHIPPED, ask, front
from tests.portal.two_pages import SHOWN_AT, Web
from tests.servers import Server, free_port, program

CADDY = program("caddy")
LACKING = not CADDY and "CI" not in os.environ  # where it must be there
NAMES = ("first.example.com", "second.example.com", "deleted.example.com", "nobody.example.com", "portal.example.com")

pytestmark = pytest.mark.nginx


def status(url: str) -> str | None:
    try:
        return str(ask(url, "/", host=NAMES[0]).status)
    except (OSError, HTTPException):
        return None


def written(file: Path, changes: dict[str, str]) -> str:
    text = file.read_text()
    for shipped, here in changes.items():
        assert shipped in text
        text = text.replace(shipped, here)
    return text


def site_in_nginx(folder: Path, public: Path, web_port: int) -> Server:
    """An nginx that has another site, as Debian configures it, and the portal's beside it."""
    port, tls = free_port(), folder / "tls"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{tls}.key", "-out", f"{tls}.pem", "-subj", "/CN=example.com"),
        ],
        check=True,
        capture_output=True,
    )
    site = written(
        SHIPPED / "nginx-site.conf",
        {
            "    listen 80;\n    listen [::]:80;\n": f"    listen 127.0.0.1:{free_port()};\n",
            "    listen 443 ssl;\n    listen [::]:443 ssl;\n": f"    listen 127.0.0.1:{port};\n"
            f"    listen 127.0.0.1:{free_port()} ssl;\n",
            "server_name status.example.com portal.example.com;": f"server_name {' '.join(NAMES)};",
            "/etc/letsencrypt/live/status.example.com/fullchain.pem": f"{tls}.pem",
            "/etc/letsencrypt/live/status.example.com/privkey.pem": f"{tls}.key",
            "/srv/incident-portal": str(public),
            "http://127.0.0.1:8000": f"http://127.0.0.1:{web_port}",
        },
    )
    (folder / "site.conf").write_text(site)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log stderr; events {{}}"
        f"http {{ {temporary} client_body_temp_path {folder}/body; include /etc/nginx/mime.types; sendfile on; gzip on;"
        f"server {{ listen 127.0.0.1:{port} default_server; return 200 'another site'; }} include site.conf; }}"
    )
    return nginx(folder, port)


def pod(folder: Path, public: Path, web_port: int) -> Server:
    """The front of Kubernetes, whose configuration stands in its manifest."""
    (shipped,) = [
        each["data"]["nginx.conf"]
        for each in yaml.safe_load_all((SHIPPED / "kubernetes" / "front.yaml").read_text())
        if each["metadata"]["name"] == "incident-portal-front" and each["kind"] == "ConfigMap"
    ]
    port, file = free_port(), folder / "nginx.conf"
    file.write_text(shipped)
    changes = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/srv/public": str(public),
        "incident-portal-web:8000": f"127.0.0.1:{web_port}",
        "/tmp/nginx": f"{folder}/nginx",
        "worker_processes auto;": "worker_processes 1;",
        "$proxy_add_x_forwarded_for": "$remote_addr",
    }
    file.write_text(written(file, changes))
    return nginx(folder, port)


def nginx(folder: Path, port: int) -> Server:
    shutil.copytree(SHIPPED / "nginx", folder / "incident-portal")
    found = program("nginx")
    assert found
    # As root it would read as nobody, who may not look into a test's folder.
    directives = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
    arguments = ["-e", "stderr", "-c", str(folder / "nginx.conf"), "-g", directives]
    return Server(Path(found), arguments, url=f"http://127.0.0.1:{port}", version=status, folder=folder)


def caddy(folder: Path, public: Path, web_port: int) -> Server:
    port = free_port()
    text = written(
        SHIPPED / "Caddyfile",
        {
            "status.example.com, portal.example.com {": ", ".join(f"http://{name}:{port}" for name in NAMES) + " {",
            "/srv/incident-portal": str(public),
            "127.0.0.1:8000": f"127.0.0.1:{web_port}",
        },
    )
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text)
    assert CADDY
    own = [f"XDG_CONFIG_HOME={folder}", f"XDG_DATA_HOME={folder}"]
    arguments = [*own, CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    return Server(Path("/usr/bin/env"), arguments, url=f"http://127.0.0.1:{port}", version=status, folder=folder)


@pytest.fixture(
    scope="module",
    params=[
        site_in_nginx,
        pod,
        pytest.param(caddy, marks=pytest.mark.skipif(LACKING, reason="no caddy: apt-get install caddy")),
    ],
)
def other(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, two_pages: Path, web: Web
) -> Iterator[str]:
    server = request.param(tmp_path_factory.mktemp("other"), two_pages, web.server_address[1])
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
