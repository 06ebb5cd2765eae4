"""How long after `manage.py up` does a page answer, when the software is new and 200 pages are to be made anew?

Beside an `up` that finds nothing to do; on SQLite, as somebody tries it. Limits: what is on disk is served within five
seconds, or on a busy machine within 1.5 times what it takes when there is nothing to do; and staff's sign-in as well.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

from cryptography.fernet import Fernet

from tests.servers import free_port, temporary_folder

PAGES = 200
LIMIT = 5.0
RATIO = 1.5
ROOT = Path(__file__).resolve().parents[1]


def answer(port: int, path: str, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def start(environment: dict[str, str], name: str) -> float:
    """The seconds until the last page, and the sign-in, answered."""
    port = free_port()
    began_at = time.perf_counter()
    site = environment | {"SITE_URL": f"http://127.0.0.1:{port}"}
    up = subprocess.Popen(
        [sys.executable, "manage.py", "up", f"--port={port}"], cwd=ROOT, env=site, stdout=subprocess.DEVNULL
    )
    try:
        while answer(port, "/", f"p{PAGES - 1}.bench.example") != 200:
            time.sleep(0.02)
        seconds = time.perf_counter() - began_at
        while answer(port, "/admin/", f"127.0.0.1:{port}") not in (200, 302):
            time.sleep(0.02)
        staff = time.perf_counter() - began_at
        print(
            f"{name:<28}{seconds:>6.1f} s until a page answers{staff:>8.1f} s until staff are asked to sign in", end=""
        )
        print(f"   (load {os.getloadavg()[0]:.1f})", flush=True)
        if "upgrade" in name:
            wait_for_all(environment, began_at)
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait()
    return max(seconds, staff)


def states(environment: dict[str, str]) -> list[Path]:
    return list(Path(environment["PUBLICATION_ROOT"]).glob("pages/*/.state.json"))


def wait_for_all(environment: dict[str, str], began_at: float) -> None:
    while any(json.loads(file.read_text())["version"] == "old" for file in states(environment)):
        time.sleep(1)
    print(f"all {PAGES} pages are made anew after {time.perf_counter() - began_at:.0f} s")


def main() -> int:
    folder = temporary_folder("portal-bench-")
    environment = {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "AUDIT_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DATA_DIR": str(folder),
        "PUBLICATION_ROOT": str(folder / "public"),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "LOG_LEVEL": "ERROR",
    }
    os.environ |= environment
    environment = dict(os.environ)
    import django

    django.setup()
    from django.core.management import call_command

    from incidents import catalogue
    from incidents.models import Page
    from incidents.people import service_user
    from status.publication import publishing

    call_command("migrate", verbosity=0)
    author = service_user("bench", role="administrator")
    for number in range(PAGES):
        page = catalogue.create_page(name=f"Bench {number}", url=f"https://p{number}.bench.example", author=author)
        catalogue.create_component(page, name="API", author=author)
    for page in Page.objects.all():
        publishing.publish(page)
    idle = start(environment, "nothing to do")
    for file in states(environment):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"version": "old"}))
    upgraded = start(environment, f"after an upgrade, {PAGES} pages")
    limit = max(LIMIT, RATIO * idle)
    is_met = upgraded <= limit
    print(f"limit {limit:.1f} s:", "met" if is_met else "MISSED")
    return int(not is_met)


if __name__ == "__main__":
    sys.exit(main())
