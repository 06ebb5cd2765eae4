"""The other fronts that are shipped, each served by the real program; only addresses and folders are this machine's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection
from http.client import HTTPException
from pathlib import Path

import yaml

from tests.front import SHIPPED, ask, changed, nginx
from tests.servers import Server, free_port, program


def site(folder: Path, public: Path, names: Collection[str], *, web_port: int, tls_port: int) -> Server:
    """An nginx that has another site, as Debian configures it, and the portal's beside it, with and without TLS.

    Its certificate, which is its own authority, is `folder/tls.pem`.
    """
    port, tls = free_port(), folder / "tls"
    alternatives = ",".join(f"DNS:{name}" for name in names)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{tls}.key", "-out", f"{tls}.pem"),
            *("-subj", "/CN=Tests", "-addext", f"subjectAltName={alternatives}"),
        ],
        check=True,
        capture_output=True,
    )
    here = {
        "    listen 80;\n    listen [::]:80;\n": f"    listen 127.0.0.1:{free_port()};\n",
        "    listen 443 ssl;\n    listen [::]:443 ssl;\n": f"    listen 127.0.0.1:{port};\n"
        f"    listen 127.0.0.1:{tls_port} ssl;\n",
        "server_name status.example.com portal.example.com;": f"server_name {' '.join(names)};",
        "/etc/letsencrypt/live/status.example.com/fullchain.pem": f"{tls}.pem",
        "/etc/letsencrypt/live/status.example.com/privkey.pem": f"{tls}.key",
        "/srv/incident-portal": str(public),
        "http://127.0.0.1:8000": f"http://127.0.0.1:{web_port}",
    }
    (folder / "site.conf").write_text(changed((SHIPPED / "nginx-site.conf").read_text(), here))
    shutil.copytree(SHIPPED / "nginx", folder / "incident-portal")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = (
        f"pid {folder}/pid; error_log stderr; events {{}}"
        f"http {{ {temporary} client_body_temp_path {folder}/body; include /etc/nginx/mime.types; sendfile on; gzip on;"
        f"server {{ listen 127.0.0.1:{port} default_server; return 200 'another site'; }} include site.conf; }}"
    )
    return nginx(folder, configuration, port)


def pod(folder: Path, public: Path, *, web_port: int) -> Server:
    """The front of Kubernetes, whose configuration stands in its manifest."""
    (shipped,) = [
        each["data"]["nginx.conf"]
        for each in yaml.safe_load_all((SHIPPED / "kubernetes" / "front.yaml").read_text())
        if each["metadata"]["name"] == "incident-portal-front" and each["kind"] == "ConfigMap"
    ]
    port = free_port()
    here = {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/srv/public": str(public),
        "incident-portal-web:8000": f"127.0.0.1:{web_port}",
        "/tmp/nginx": f"{folder}/nginx",
        "worker_processes auto;": "worker_processes 1;",
        "$proxy_add_x_forwarded_for": "$remote_addr",
    }
    shutil.copytree(SHIPPED / "nginx", folder / "incident-portal")
    return nginx(folder, changed(shipped, here), port)


def caddy(folder: Path, public: Path, names: Collection[str], *, web_port: int) -> Server:
    port, found = free_port(), program("caddy")
    assert found, "install caddy"
    here = {
        "status.example.com, portal.example.com {": ", ".join(f"http://{name}:{port}" for name in names) + " {",
        "/srv/incident-portal": str(public),
        "127.0.0.1:8000": f"127.0.0.1:{web_port}",
    }
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + changed((SHIPPED / "Caddyfile").read_text(), here))
    own = [f"XDG_CONFIG_HOME={folder}", f"XDG_DATA_HOME={folder}"]
    arguments = [*own, found, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    first = next(iter(names))

    def status(url: str) -> str | None:
        try:
            return str(ask(url, "/", host=first).status)
        except (OSError, HTTPException):
            return None

    return Server(Path("/usr/bin/env"), arguments, url=f"http://127.0.0.1:{port}", version=status, folder=folder)
