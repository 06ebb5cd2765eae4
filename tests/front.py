"""The real nginx with the shipped configuration; only its addresses, folders and waits are this machine's."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

from tests.servers import Server, free_port, program
from tests.waiting import stretched

SHIPPED = Path(__file__).parent.parent / "deploy"


def settle(folder: Path, **environment: str) -> None:
    """Write into `folder` what the owner decided, as the compose file does before it starts nginx."""
    compose = (SHIPPED.parent / "docker-compose.yml").read_text()
    (command,) = re.findall(r"entrypoint: \[sh, -c, '(.*) && exec nginx ", compose)
    command = command.replace("$$", "$").replace("/tmp/nginx", f"{folder}/nginx")
    subprocess.run(["sh", "-c", command], check=True, env=environment)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


def front(folder: Path, publication_root: Path, *, web_port: int, changes: Mapping[str, str] | None = None) -> Server:
    """A front server that keeps what it needs in `folder`. It has read its configuration, but is not started.

    `changes` replaces further strings of the configuration, each of which must be there.
    """
    port = free_port()
    configuration = (SHIPPED / "nginx.conf").read_text()
    for rules in ("http.conf", "server.conf"):
        configuration = configuration.replace(
            f"include incident-portal/{rules};", (SHIPPED / "nginx" / rules).read_text()
        )
    here = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/srv/public": str(publication_root),
        "http://web:8000": f"http://127.0.0.1:{web_port}",
        "/tmp/nginx": f"{folder}/nginx",
        "worker_processes auto;": "worker_processes 1;",
        **(changes or {}),
    }
    return nginx(folder, changed(configuration, here), port)


def changed(configuration: str, changes: Mapping[str, str]) -> str:
    for shipped, here in changes.items():
        assert shipped in configuration, shipped
        configuration = configuration.replace(shipped, here)
    return configuration


def nginx(folder: Path, configuration: str, port: int) -> Server:
    file = folder / "nginx.conf"
    file.write_text(configuration)
    found = program("nginx")
    assert found, "install nginx"
    # As root it would read as nobody, who may not look into a test's folder.
    directives = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
    arguments = ["-e", "stderr", "-c", str(file), "-g", directives]
    return Server(Path(found), arguments, url=f"http://127.0.0.1:{port}", version=_server, folder=folder)


def ask(url: str, path: str, method: str = "GET", **headers: str) -> Answer:
    """What a client gets that follows nothing and unpacks nothing. `accept_encoding` is the header Accept-Encoding."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=stretched(10))
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def _server(url: str) -> str | None:
    try:
        return ask(url, "/").headers["server"]
    except (OSError, HTTPException):
        return None
